/** A hash of everything that happened, in order: text, hashed in large pieces. */
import { crc32 } from 'node:zlib';

export class Trace {
  readonly #isPrinted = process.env['HELICORDER_SIM_TRACE'] !== undefined;
  #lines: string[] = [];
  #crc = 0;

  add(line: string): void {
    if (this.#isPrinted) process.stdout.write(`${line}\n`);
    if (this.#lines.push(line) >= 4096) this.#fold();
  }

  get hash(): number {
    this.#fold();
    return this.#crc;
  }

  #fold(): void {
    this.#crc = crc32(Buffer.from(this.#lines.join('\n')), this.#crc);
    this.#lines = [];
  }
}
