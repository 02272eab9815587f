/**
 * A curve as segments of age (time since the origin): constant, or a straight line kept as an exact rational. Values
 * are integers in millionths of a point (`scoreUnits`), ages whole milliseconds.
 */
export interface Segment {
  /** First age inside the segment; -Infinity for the first one, which also holds the items without an origin. */
  start: number;
  /** Index of the point that it begins with, -1 before the first. */
  point: number;
  /** Value at age `offset`. */
  base: number;
  /** value(age) = base + rise * (age - offset) / span. A constant has rise 0, span 1. */
  rise: number;
  span: number;
  offset: number;
}

export interface CurvePoint {
  offset: number;
  units: number;
}

/** A product of integers below this is exact in a double. */
const exactMax = 2 ** 53;

/** The points' segments; neighbours that are the same constant are one, because nothing changes between them. */
export function segmentsOf(points: readonly CurvePoint[], mode: 'step' | 'linear'): Segment[] {
  const segments = [constant(Number.NEGATIVE_INFINITY, -1, points[0].units)];
  for (const [at, point] of points.entries()) {
    const next = points[at + 1];
    const segment =
      mode === 'step' || next === undefined || next.units === point.units
        ? constant(point.offset, at, point.units)
        : line(at, point, next);
    const before = segments[segments.length - 1];
    if (before.rise !== 0 || segment.rise !== 0 || before.base !== segment.base) segments.push(segment);
  }
  return segments;
}

function constant(start: number, point: number, units: number): Segment {
  return { start, point, base: units, rise: 0, span: 1, offset: 0 };
}

function line(at: number, from: CurvePoint, to: CurvePoint): Segment {
  const { offset, units } = from;
  return { start: offset, point: at, base: units, rise: to.units - units, span: to.offset - offset, offset };
}

/** Index of the segment at an age; 0 for NaN, the age of an item without an origin. */
export function segmentAt(segments: readonly Segment[], age: number): number {
  let index = segments.length - 1;
  while (index > 0 && !(age >= segments[index].start)) index--;
  return index;
}

/** The value at an age inside the segment, rounded half up to a whole unit: for showing, never for ordering. */
export function unitsAt(segment: Segment, age: number): number {
  if (segment.rise === 0) return segment.base;
  const age0 = age - segment.offset;
  if (Math.abs(segment.rise * age0) >= exactMax / 2) {
    const twice = 2n * BigInt(segment.rise) * BigInt(age0) + BigInt(segment.span);
    return segment.base + Number(floorDivide(twice, 2n * BigInt(segment.span)));
  }
  const product = segment.rise * age0;
  const rest = ((product % segment.span) + segment.span) % segment.span;
  return segment.base + (product - rest) / segment.span + (2 * rest >= segment.span ? 1 : 0);
}

function floorDivide(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  return numerator < 0n && quotient * denominator !== numerator ? quotient - 1n : quotient;
}

/** The sign of x1 * y1 - x2 * y2 for integers below 2^53, exactly. */
export function compareProducts(x1: number, y1: number, x2: number, y2: number): number {
  const one = x1 * y1;
  const two = x2 * y2;
  if (Math.abs(one) < exactMax && Math.abs(two) < exactMax) return one - two;
  const exactOne = BigInt(x1) * BigInt(y1);
  const exactTwo = BigInt(x2) * BigInt(y2);
  return exactOne > exactTwo ? 1 : exactOne < exactTwo ? -1 : 0;
}

/** The sign of (value of a at ageA + plusA) - (value of b at ageB + plusB), exactly; `plus` are whole units. */
export function compareValues(
  a: Segment,
  ageA: number,
  plusA: number,
  b: Segment,
  ageB: number,
  plusB: number,
): number {
  if (a.rise === 0 && b.rise === 0) return a.base + plusA - (b.base + plusB);
  const one = numeratorAt(a, ageA, plusA) * BigInt(b.span);
  const two = numeratorAt(b, ageB, plusB) * BigInt(a.span);
  return one > two ? 1 : one < two ? -1 : 0;
}

function numeratorAt(segment: Segment, age: number, plus: number): bigint {
  const fixed = BigInt(segment.base + plus) * BigInt(segment.span);
  return segment.rise === 0 ? fixed : fixed + BigInt(segment.rise) * BigInt(age - segment.offset);
}
