/**
 * Whether the records of a stream go on where those before them ended, writer by writer.
 *
 * What was recorded here goes on: anything else is a hole. What was copied here goes on as it did
 * in its source, and so does not where a copy was begun anew: at the tail, at an offset, after
 * SOURCE_DIVERGED with the records of a source that went another way. Seqs then jump, forward or
 * back, and nothing is lost of what was given to this store: a seam. Offsets are the store's own
 * and have no holes in either.
 */
import type { RunEntry } from '../store/entries/control-entries.ts';
import type { RecordItem } from '../store/read/stream-item.ts';

/** `unknown`: what was let go of before the reader had come to it, whoever's records these were. */
export type Follows = 'next' | 'seam' | 'hole' | 'unknown';

export class Succession {
  readonly #writers = new Map<string, { run: RunEntry; nextSeq: number }>();
  #hasBegun = false;

  /** How an item follows what came before it. */
  take(item: RecordItem): Follows {
    const { info, firstSeq, records } = item;
    const { run } = info;
    if (isRetired(item) && this.#hasBegun) {
      // one gap for the records of all writers: how many there were of each is not told
      this.skip();
      return 'unknown';
    }
    this.#hasBegun ||= !isRetired(item);
    const last = this.#writers.get(run.writer);
    this.#writers.set(run.writer, { run, nextSeq: firstSeq + records });
    if (isRetired(item) && run.copied) {
      // how many records there were is known, not their seqs: a copy need not begin at the first
      this.#writers.delete(run.writer);
      return 'next';
    }
    if (last === undefined) return 'next';
    if (run.copied === undefined) return firstSeq === last.nextSeq ? 'next' : 'hole';
    // the number may fit by chance, in the middle of a run that was not the one before
    const isItsTurn = run.id === last.run.id || firstSeq <= run.firstSeq;
    return firstSeq === last.nextSeq && isItsTurn ? 'next' : 'seam';
  }

  /** What comes next is held against nothing before it. */
  skip(): void {
    this.#writers.clear();
  }
}

function isRetired(item: RecordItem): boolean {
  return item.kind === 'gap' && item.reason === 'retired';
}
