/** Curves over one horizontal axis with a logarithmic scale. */
export interface Plot {
  title: string;
  xTitle: string;
  yTitle: string;
  /** Positive, ascending; each is a tick. */
  x: readonly number[];
  /** A value for each x. */
  curves: readonly { name: string; y: readonly number[] }[];
}

const [width, height] = [480, 300];
const edge = { left: 70, right: 20, top: 40, bottom: 50 };
const colors = ['#1f6fb4', '#c4501b', '#2e8540', '#7a3e9d'];
const ticks = 4;

/** The plots side by side as one SVG document, readable on white and on dark. */
export function svgOf(plots: readonly Plot[]): string {
  const panels = plots.map((plot, at) => `<g transform="translate(${at * width} 0)">${panel(plot)}</g>`);
  const size = `width="${plots.length * width}" height="${height}"`;
  const style = 'font-family="sans-serif" font-size="12"';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>
<title>${plots.map(({ title }) => title).join('; ')}</title>
<rect width="100%" height="100%" fill="#fff"/>
${panels.join('\n')}
</svg>
`;
}

function panel({ title, xTitle, yTitle, x, curves }: Plot): string {
  const top = niceAbove(Math.max(...curves.flatMap(({ y }) => y)));
  const [from, to] = [Math.log(x[0]!), Math.log(x.at(-1)!)];
  const right = width - edge.right;
  const bottom = height - edge.bottom;
  const xAt = (value: number) => edge.left + ((Math.log(value) - from) / (to - from || 1)) * (right - edge.left);
  const yAt = (value: number) => bottom - (value / top) * (bottom - edge.top);
  const steps = Array.from({ length: ticks + 1 }, (_, at) => (top * at) / ticks);
  return [
    text(width / 2, 20, title, 'middle', 'bold'),
    ...steps.map((value) => line(edge.left, yAt(value), right, yAt(value))),
    ...steps.map((value) => text(edge.left - 6, yAt(value) + 4, shown(value), 'end')),
    ...x.map((value) => text(xAt(value), bottom + 18, shown(value), 'middle')),
    text(width / 2, height - 10, xTitle, 'middle'),
    `<g transform="rotate(-90 14 ${height / 2})">${text(14, height / 2, yTitle, 'middle')}</g>`,
    ...curves.flatMap(({ name, y }, at) => {
      const points = x.map((value, i) => [round(xAt(value)), round(yAt(y[i]!))] as const);
      const color = colors[at % colors.length]!;
      return [
        `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.map(String).join(' ')}"/>`,
        ...points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`),
        text(edge.left + 8, edge.top + 6 + at * 15, name, 'start', 'normal', color),
      ];
    }),
  ].join('\n');
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#ddd"/>`;
}

function text(x: number, y: number, label: string, anchor: string, weight = 'normal', fill = '#333'): string {
  const escaped = label.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  const where = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`;
  return `<text ${where} font-weight="${weight}" fill="${fill}">${escaped}</text>`;
}

/** The next short multiple of a power of ten whose quarters are short numbers too. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return power * [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value)!;
}

function shown(value: number): string {
  return value >= 1e6 ? `${value / 1e6} M` : value.toLocaleString('en', { maximumFractionDigits: 2 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
