/**
 * When the catalog is brought up to the log, and the mark looked after: a part of it behind each
 * flush, since all rows of a thousand streams at once would hold up the next flush.
 */
import { CATALOG_MAX_LAG_MS } from '../base/constants.ts';
import type { Catalog } from '../store/state/catalog.ts';
import type { StoreWriter } from '../store/write/writer.ts';

/** A checkpoint begins after so much of the lag that is allowed, and takes the rest at most. */
const BEGIN_SHARE = 0.75;
/** Rows that are written at once, if there are so many: half a millisecond. */
const MIN_ROWS = 64;

export class Checkpoints {
  readonly #writer: StoreWriter;
  readonly #catalog: Catalog;
  #due = 0;
  /** ms, of the flush before */
  #last: number | undefined;

  constructor(writer: StoreWriter, catalog: Catalog) {
    this.#writer = writer;
    this.#catalog = catalog;
  }

  /** Behind each flush: writes the rows that are due. @param now monotonic ms */
  step(now: number): void {
    const share = (now - (this.#last ?? now)) / ((1 - BEGIN_SHARE) * CATALOG_MAX_LAG_MS);
    this.#last = now;
    if (!this.#catalog.hasRest) {
      if (now < this.#due) return;
      this.#due = now + BEGIN_SHARE * CATALOG_MAX_LAG_MS;
      this.#writer.keepMark();
    }
    const { state, durableEnd } = this.#writer;
    const rows = Math.ceil(share * (state.streams.size + state.runs.size));
    this.#catalog.checkpoint(state, durableEnd, Math.max(MIN_ROWS, rows));
  }

  /** The last one, and whole. */
  finish(): void {
    this.#writer.keepMark();
    this.#catalog.checkpoint(this.#writer.state, this.#writer.durableEnd);
    this.#catalog.close();
  }
}
