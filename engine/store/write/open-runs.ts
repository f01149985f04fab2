/**
 * The runs that this owner of a store has begun and not ended, and what they keep others from. A
 * sampler's run counts the offsets of its stream by itself, from its beginning on: nobody else
 * writes there as long as it is open.
 */
import { HelicorderError } from '../../base/errors.ts';
import type { RunSnapshot } from '../entries/control-entries.ts';
import type { ControlState } from '../state/state.ts';

export class OpenRuns {
  readonly #state: ControlState;
  readonly #runs = new Set<number>();
  #expected: ReadonlySet<string> = new Set();

  constructor(state: ControlState) {
    this.#state = state;
  }

  begun({ id }: RunSnapshot): void {
    this.#runs.add(id);
  }

  ended({ id }: RunSnapshot): void {
    this.#runs.delete(id);
  }

  /** Samplers are about to write to streams of these names, and to no others. */
  expect(streams: readonly string[]): void {
    this.#expected = new Set(streams);
  }

  of(stream: number): RunSnapshot[] {
    return this.#state.writersOf(stream).filter(({ id }) => this.#runs.has(id));
  }

  /** @throws USAGE while a sampler writes to the stream, or is about to */
  checkUnsampled(name: string): void {
    const stream = this.#state.streamNamed(name);
    const runs = stream ? this.of(stream.id) : [];
    const isSampled = runs.some(({ periodNanos }) => periodNanos > 0n);
    if (!isSampled && !this.#expected.has(name)) return;
    throw new HelicorderError(
      'USAGE',
      `${name} is being recorded: choose another stream, or end what writes to it first`,
    );
  }
}
