/** The runs that clients have opened here and not ended: each belongs to a connection. */
import { HelicorderError } from '../base/errors.ts';
import type { ControlState } from '../store/state/state.ts';
import type { OpenedRun } from '../store/write/writer.ts';

interface HeldRun {
  connection: number;
  opened: OpenedRun;
}

export class HeldRuns {
  readonly #state: ControlState;
  readonly #runs = new Map<number, HeldRun>();

  constructor(state: ControlState) {
    this.#state = state;
  }

  add(connection: number, opened: OpenedRun): void {
    this.#runs.set(opened.run.id, { connection, opened });
  }

  find(run: number): OpenedRun | undefined {
    return this.#runs.get(run)?.opened;
  }

  /** @throws USAGE if the connection has not opened it */
  held(run: number, connection: number): OpenedRun {
    const held = this.#runs.get(run);
    if (held?.connection === connection) return held.opened;
    throw new HelicorderError('USAGE', `run ${run} was not opened by this connection`);
  }

  of(connection: number): OpenedRun[] {
    const own = [...this.#runs.values()].filter((held) => held.connection === connection);
    return own.map(({ opened }) => opened);
  }

  all(): OpenedRun[] {
    return [...this.#runs.values()].map(({ opened }) => opened);
  }

  delete({ run }: OpenedRun): void {
    this.#runs.delete(run.id);
  }

  /** A writer that was opened again belongs to whoever did that (durability, I8). */
  isFenced({ run, stream }: OpenedRun): boolean {
    return this.#state.latestRun(stream.id, run.writer)?.id !== run.id;
  }

  /** @throws USAGE as `held`, FENCED */
  live(id: number, connection: number): OpenedRun {
    const opened = this.held(id, connection);
    if (!this.isFenced(opened)) return opened;
    const { run, stream } = opened;
    const which = `writer ${run.writer} of ${stream.name}`;
    throw new HelicorderError('FENCED', `${which}, epoch ${run.epoch}, was opened again elsewhere`);
  }
}
