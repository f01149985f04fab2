/**
 * A source whose records are derived from those of another one. It keeps nothing of its own:
 * cursor, intent and end are those of the source behind it, since no seq changes.
 */
import { COPY_BATCH_BYTES, COPY_BATCH_RECORDS } from '../base/constants.ts';
import type { Derivation } from '../derive/derivation.ts';
import type { Cursor } from '../txn/coordinator.ts';
import type { Intent } from '../txn/participant.ts';
import { endOf, type Piece } from '../txn/piece.ts';
import type { CopySource, CopyState, ReadLimits } from '../txn/source.ts';
import { PieceQueue } from './piece-queue.ts';

/** What is read of the source at once, whatever a transaction may hold of what becomes of it. */
const INNER_LIMITS = { maxRecords: COPY_BATCH_RECORDS, maxBytes: COPY_BATCH_BYTES };

export class DerivedSource implements CopySource {
  readonly #inner: CopySource;
  readonly #derivation: Derivation;
  readonly #queue = new PieceQueue(() => this.#pull());
  /** read, and not derived yet */
  #read: Piece[] = [];
  #derived: Piece[] = [];
  /** of the source behind it */
  #next = 0;

  constructor(inner: CopySource, derivation: Derivation) {
    this.#inner = inner;
    this.#derivation = derivation;
  }

  open(signal: AbortSignal): Promise<CopyState> {
    this.#seek(Number.NaN);
    return this.#inner.open(signal);
  }

  /** Of as much as is read at once. @throws what `read` would */
  async prove(lo: number): Promise<void> {
    for (const piece of await this.#inner.read(lo, INNER_LIMITS)) this.#derivation.derive(piece);
  }

  /** @throws also HelicorderError for what is wrong with the derivation */
  read(lo: number, limits: ReadLimits): Promise<Piece[]> {
    if (lo !== this.#queue.next) this.#seek(lo);
    return this.#queue.take(limits);
  }

  end(): Promise<number> {
    return this.#inner.end();
  }

  wait(seq: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#inner.wait(seq, timeoutMs, signal);
  }

  writeCursor(cursor: Cursor, signal: AbortSignal): Promise<void> {
    return this.#inner.writeCursor(cursor, signal);
  }

  writeIntent(intent: Intent, signal: AbortSignal): Promise<void> {
    return this.#inner.writeIntent(intent, signal);
  }

  forget(): Promise<void> {
    return this.#inner.forget();
  }

  renew(signal: AbortSignal): Promise<void> {
    return this.#inner.renew(signal);
  }

  #seek(lo: number): void {
    this.#queue.seek(lo);
    this.#next = lo;
    this.#read = [];
    this.#derived = [];
  }

  /** One piece is derived at a time: what becomes of it may be many times as large. */
  async #pull(): Promise<Piece | undefined> {
    if (this.#derived.length === 0) {
      if (this.#read.length === 0) {
        this.#read = await this.#inner.read(this.#next, INNER_LIMITS);
      }
      const piece = this.#read.shift();
      if (piece === undefined) return undefined;
      this.#next = endOf(piece);
      this.#derived = this.#derivation.derive(piece);
    }
    return this.#derived.shift();
  }
}
