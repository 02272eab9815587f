/**
 * Short texts as small integers, so that a column costs 4 bytes a slot. A text is counted: once nobody holds it, its
 * number is given to the next new text, so that memory follows what is in use and not what was ever seen. 0 is "none".
 */
export class Interner {
  private readonly numbers = new Map<string, number>();
  private readonly texts: string[] = [''];
  private readonly holders: number[] = [0];
  private readonly free: number[] = [];

  /** Texts in use. */
  get size(): number {
    return this.numbers.size;
  }

  /** The text's number; the caller holds it until `release`. */
  acquire(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) {
      this.holders[known]++;
      return known;
    }
    const number = this.free.pop() ?? this.texts.length;
    this.texts[number] = text;
    this.holders[number] = 1;
    this.numbers.set(text, number);
    return number;
  }

  release(number: number): void {
    if (number === 0 || --this.holders[number] > 0) return;
    this.numbers.delete(this.texts[number]);
    this.texts[number] = '';
    this.free.push(number);
  }

  /** The text's number, 0 when nobody holds it. */
  find(text: string): number {
    return this.numbers.get(text) ?? 0;
  }

  /** '' for 0 and for numbers that nobody holds. */
  textOf(number: number): string {
    return this.texts[number] ?? '';
  }
}
