/**
 * A producer of lines that remembers what it was told is durable: an oracle that stands outside of
 * the store. Its input is a function of the seq, so whatever is found can be held against it.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { helicorder, type Ended, type Program, type ProgramOptions } from './cli.ts';
import { SEED, SeededRandom } from './random.ts';
import { parseRecords, type RecordLine } from './records.ts';
import { recordLines } from './stores.ts';

export interface Acknowledgement {
  seq: string;
  offset: string;
}

/** Line number `seq` of the input, of changing length. */
export function inputLine(seq: number): string {
  const random = new SeededRandom(SEED ^ seq);
  const padding = random.below(20) === 0 ? random.below(20_000) : random.below(100);
  return `${seq} ${String.fromCharCode(97 + (seq % 26)).repeat(padding)}`;
}

/** The same with so many bytes that no codec makes smaller: few of them fill a segment. */
export function denseLine(bytes: number): (seq: number) => string {
  const shake = (seq: number): string =>
    createHash('shake256', { outputLength: bytes }).update(`${SEED} ${seq}`).digest('base64');
  return (seq) => `${seq} ${shake(seq)}`;
}

/** The answer of `stream write --ack` as lines: what is durable, and where. */
export function acknowledgements(lines: readonly string[]): Acknowledgement[] {
  return lines.slice(1).map((line) => JSON.parse(line) as Acknowledgement);
}

export class Pen {
  readonly stream = 'crash/lines';
  readonly #dir: string;
  /** offset by seq, as acknowledged since the last check */
  readonly #acknowledged = new Map<string, string>();
  #program: Program | undefined;
  /** seq that is known to be durable */
  #durable: number;
  /** seq up to which lines were ever fed */
  #fed: number;
  /** records that were checked before */
  #checked = 0;
  readonly #line: (seq: number) => string;

  /**
   * @param line the input
   * @param durable so many lines were acknowledged to another that wrote the same input
   */
  constructor(dir: string, line: (seq: number) => string = inputLine, durable = 0) {
    this.#dir = dir;
    this.#line = line;
    this.#durable = durable;
    this.#fed = durable;
  }

  /** The last seq that was acknowledged. */
  get durable(): number {
    return this.#durable;
  }

  get program(): Program {
    return this.#program!;
  }

  /**
   * Starts writing, from where the store says that it is.
   * @param lines fed at once
   * @returns false if the program ended before it had opened the store
   */
  async start(lines: number, options?: ProgramOptions): Promise<boolean> {
    const words = ['stream', 'write', this.stream, '--data-dir', this.#dir];
    this.#program = helicorder([...words, '--writer', 'pen', '--ack'], options);
    const first = await this.#program.stdout.next().catch(() => undefined);
    if (first === undefined) return false;
    const lastSeq = Number((JSON.parse(first) as { lastSeq: string }).lastSeq);
    expect(lastSeq, `lastSeq, HELICORDER_SEED=${SEED}`).toBeGreaterThanOrEqual(this.#durable);
    this.#fed = Math.max(this.#fed, lastSeq + lines);
    for (let seq = lastSeq + 1; seq <= lastSeq + lines; seq++) {
      this.#program.write(`${this.#line(seq)}\n`);
    }
    return true;
  }

  async acknowledgements(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.program.stdout.next();
  }

  /** Resolves at its end, with all that it was acknowledged. */
  async ended(): Promise<Ended> {
    const ended = await this.program.ended;
    for (const { seq, offset } of acknowledgements(this.program.stdout.all)) {
      this.#acknowledged.set(seq, offset);
      this.#durable = Math.max(this.#durable, Number(seq));
    }
    return ended;
  }

  /**
   * Reads what is new and holds it against what was acknowledged and fed.
   * @param where told with whatever is wrong
   */
  async check(where: string): Promise<void> {
    const records = parseRecords(await recordLines(this.#dir, this.stream, this.#checked));
    expect(this.#problem(records), `${where}, HELICORDER_SEED=${SEED}`).toBeUndefined();
    this.#checked += records.length;
    this.#acknowledged.clear();
  }

  /** What is wrong with the records since the last check, if anything is. */
  #problem(records: readonly RecordLine[]): string | undefined {
    for (const [i, { offset, seq, data }] of records.entries()) {
      const expected = this.#checked + i;
      if (offset !== String(expected)) return `offset ${offset} where ${expected} is due`;
      if (seq !== String(expected + 1)) return `seq ${seq} where ${expected + 1} is due`;
      if (data !== this.#line(expected + 1)) return `seq ${seq} has other content`;
      if (expected + 1 > this.#fed) return `seq ${seq} was never written`;
      const said = this.#acknowledged.get(seq);
      if (said !== undefined && said !== offset) return `seq ${seq} was acknowledged at ${said}`;
    }
    const last = this.#checked + records.length;
    if (last < this.#durable) return `seq ${last + 1} to ${this.#durable} are lost`;
    return undefined;
  }
}
