/**
 * A producer, `stream write --ack`, that keeps what it sent and what it was told is durable: the
 * oracle outside of the store.
 */
import { defined } from '../base/assert.ts';
import { Store } from '../store/store.ts';
import type { Child } from './child.ts';
import type { Lab } from './lab.ts';
import { BrokenPromise, promised } from './promise.ts';

export const LINES = 'selftest/lines';
const WRITER = 'pen';

interface Told {
  seq: string;
  offset: string;
}

export class Pen {
  readonly #lab: Lab;
  readonly #dir: string;
  /** by seq, as it was sent last */
  readonly #sent = new Map<number, string>();
  /** offset by seq, as it was acknowledged */
  readonly #acknowledged = new Map<number, number>();
  #lastSent = 0;
  #lastDurable = 0;
  #child: Child | undefined;

  constructor(lab: Lab, dir: string) {
    this.#lab = lab;
    this.#dir = dir;
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  get lastDurable(): number {
    return this.#lastDurable;
  }

  /** Opens the writer, and holds where it says that it is against what was acknowledged. */
  async open(): Promise<number> {
    const words = ['stream', 'write', LINES, '--writer', WRITER, '--ack', '--quiet'];
    this.#child = this.#lab.start([...words, '--data-dir', this.#dir]);
    const { lastSeq } = await this.#nextLine<{ lastSeq: string }>();
    promised(
      Number(lastSeq) >= this.#lastDurable,
      () => `event ${this.#lastDurable} was acknowledged; the store only knows ${lastSeq}`,
    );
    // what was durable and not told before a kill is told now
    this.#lastSent = Number(lastSeq);
    this.#lastDurable = Number(lastSeq);
    return this.#lastSent;
  }

  /** @param padding bytes that no codec makes smaller */
  send(padding: number): void {
    const { chance } = this.#lab;
    const seq = ++this.#lastSent;
    const noise = Buffer.from(chance.bytes(Math.ceil((padding * 3) / 4))).toString('base64');
    const line = `${seq} ${noise}`;
    this.#sent.set(seq, line);
    this.#open.write(`${line}\n`);
  }

  /** Waits for `count` more acknowledgements. */
  async waitFor(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.#take(await this.#nextLine<Told>());
  }

  waitForAll(): Promise<void> {
    return this.waitFor(this.#lastSent - this.#lastDurable);
  }

  /** Takes what has come. */
  async takeWaiting(): Promise<void> {
    await this.waitFor(this.#open.waitingLines);
  }

  /** kill −9, and what it was told until then. */
  async kill(): Promise<void> {
    const child = this.#open;
    await child.kill();
    for (let line = await child.next(); line !== undefined; line = await child.next()) {
      this.#take(JSON.parse(line) as Told);
    }
  }

  async close(): Promise<void> {
    await this.waitForAll();
    await this.#open.finish();
  }

  /** The last acknowledgement counts for nothing: what it stood for is being torn. */
  forgetLast(): void {
    this.#acknowledged.delete(this.#lastDurable);
    this.#lastDurable--;
  }

  /** Reads all: every acknowledged event, once, in order, at the offset it was told. */
  async check(): Promise<number> {
    const store = Store.open(this.#dir, this.#lab.environment);
    let seq = 0;
    try {
      for await (const item of store.read(LINES)) {
        if (item.kind === 'fault') throw new BrokenPromise(`damage: ${item.fault.what}`);
        if (item.kind !== 'events') throw new BrokenPromise(`a ${item.kind} among the events`);
        item.events.forEach((event, i) =>
          this.#checkEvent(++seq, item.firstSeq + i, item.firstOffset + i, event),
        );
      }
    } finally {
      store.close();
    }
    promised(
      seq >= this.#lastDurable,
      () => `event ${seq + 1} was acknowledged and is not there: the stream ends at ${seq}`,
    );
    return seq;
  }

  #checkEvent(expected: number, seq: number, offset: number, event: Uint8Array): void {
    promised(seq === expected, () => `event ${expected} is missing or doubled: ${seq} is there`);
    const isSame = Buffer.from(event).toString() === this.#sent.get(seq);
    promised(isSame, () => `event ${seq} is not what was sent`);
    const told = this.#acknowledged.get(seq) ?? offset;
    promised(told === offset, () => `event ${seq} was told offset ${told}, and has ${offset}`);
  }

  get #open(): Child {
    return defined(this.#child, 'the open writer');
  }

  async #nextLine<T>(): Promise<T> {
    const child = this.#open;
    const line = await child.next();
    if (line !== undefined) return JSON.parse(line) as T;
    const { code, signal, stderr } = await child.ended;
    throw new BrokenPromise(`the writer ended by itself (${code ?? signal}): ${stderr.trim()}`);
  }

  #take({ seq, offset }: Told): void {
    promised(
      Number(seq) === this.#lastDurable + 1,
      () => `event ${seq} was acknowledged behind ${this.#lastDurable}`,
    );
    this.#lastDurable = Number(seq);
    this.#acknowledged.set(Number(seq), Number(offset));
  }
}
