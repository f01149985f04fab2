/**
 * Which streams may still take records where the budget is nearly spent (`onFull`).
 *
 * Streams that let go of their oldest make room for all. Once what they still have to let go of,
 * and what is free, are no more than a few segments, those that reject what is new are refused: the
 * rest is for the others, which go on in it, a segment sealed and let go of for each that they
 * fill. So neither kind starves the other. A store of which no stream lets go of anything waits as
 * a whole, with all of its budget used (`log-writer.ts`).
 *
 * It is asked where the log takes a new segment, and told what upkeep has found.
 */
import { KEEP_ALL, ruleFor } from '../../base/retention.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { StoreBudget } from '../entries/retention-entry.ts';
import type { StoreIdentity } from '../entries/format.ts';
import type { RetentionEntry } from '../entries/retention-entry.ts';
import type { ControlState } from '../state/state.ts';

export interface AdmissionOptions {
  fs: FileSystem;
  dir: string;
  identity: Pick<StoreIdentity, 'segmentBytes'>;
  budget: StoreBudget | undefined;
  state: ControlState;
}

export const NO_ROOM_FOR_NEW =
  'the budget is spent by streams that reject what is new (onFull): they are refused, as gap(full)';

/**
 * Kept for streams that drop their oldest: one that is being written, one that is sealed and let go
 * of meanwhile, and what that leaves behind of others.
 */
const KEPT_SEGMENTS = 3;

export class Admission {
  readonly #options: AdmissionOptions;
  /** what upkeep can still let go of; unknown until it has looked */
  #droppableBytes = Infinity;
  #isScarce = false;
  /** the newest segment, when it was looked at last */
  #segment = 0;
  /** by name, as far as asked for */
  readonly #rejects = new Map<string, boolean>();
  #rules: RetentionEntry | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Some streams are refused. */
  get isScarce(): boolean {
    return this.#isScarce;
  }

  /** What upkeep has found in the store's own directory that it may let go of. */
  hear(droppableBytes: number): void {
    this.#droppableBytes = droppableBytes;
    this.#look();
  }

  /** The log is being written in this segment: a new one may have used up what there was. */
  reached(segment: number): void {
    if (segment === this.#segment) return;
    this.#segment = segment;
    this.#look();
  }

  /** It looks at every file: not for each commit. */
  #look(): void {
    const { identity, state } = this.#options;
    const wanted = KEPT_SEGMENTS * identity.segmentBytes - this.#droppableBytes;
    const rules = state.retention?.rules ?? [];
    const canDrop = rules.some(({ onFull }) => onFull === 'drop-oldest');
    this.#isScarce = canDrop && wanted > 0 && !this.#hasRoom(wanted);
  }

  #hasRoom(bytes: number): boolean {
    const { fs, dir, budget } = this.#options;
    const { bytes: most, minFreeBytes = 0 } = budget ?? {};
    if (most !== undefined && fs.diskUse(dir) + bytes > most) return false;
    return minFreeBytes === 0 || fs.info(dir).freeBytes >= minFreeBytes + bytes;
  }

  /** May this stream take no records now? */
  refuses(streamName: string): boolean {
    if (!this.#isScarce) return false;
    const { retention } = this.#options.state;
    if (retention !== this.#rules) this.#rejects.clear();
    this.#rules = retention;
    const known = this.#rejects.get(streamName);
    if (known !== undefined) return known;
    const { onFull } = retention ? ruleFor(retention.rules, streamName) : KEEP_ALL;
    this.#rejects.set(streamName, onFull === 'reject-new');
    return onFull === 'reject-new';
  }
}
