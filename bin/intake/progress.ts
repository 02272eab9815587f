/** A progress bar: redrawn in place on a terminal, a plain line every few seconds anywhere else. */
export class ProgressBar {
  readonly #out: NodeJS.WriteStream;
  readonly #everyMs: number;
  #lastAt = 0;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
    this.#everyMs = out.isTTY ? 100 : 3000;
  }

  /** @param share from 0 to 1. */
  show(share: number, note: string, now = performance.now()): void {
    if (this.#lastAt > 0 && now - this.#lastAt < this.#everyMs) return;
    this.#lastAt = now;
    this.#draw(share, note);
  }

  /** Draws the last state, whatever was drawn before, and leaves the line. */
  end(share: number, note: string): void {
    this.#draw(share, note);
    if (this.#out.isTTY) this.#out.write('\n');
  }

  #draw(share: number, note: string): void {
    const percent = `${Math.round(Math.min(1, share) * 100)} %`.padStart(5);
    if (!this.#out.isTTY) this.#out.write(`${percent}  ${note}\n`);
    else {
      const width = 30;
      const full = Math.round(Math.min(1, share) * width);
      this.#out.write(`\r\x1b[K[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${percent}  ${note}`);
    }
  }
}
