/**
 * Where a copy begins: a stream with durable records, and a log that keeps the copy's own state.
 * A store implements it with a reader for the records and its owner's writer for the entries.
 *
 * Threads: all methods are called by the copier's thread, one at a time, but for `writeCursor`,
 * which is not waited for. An error thrown here ends the copy: a source that cannot be read or
 * written is the recorder's concern, and trying again is nothing that a copier could decide.
 *
 * Where a signal says stop, nothing is waited for: the call throws the signal's reason, and what it
 * asked for may still be done.
 */
import type { Cursor } from './coordinator.ts';
import type { Intent, WriterIdentity } from './participant.ts';
import type { Piece } from './piece.ts';

/** What is durable of a copy. A new copy's base is durable before this is returned. */
export interface CopyState {
  writer: WriterIdentity;
  cursor: Cursor;
  intent: Intent | undefined;
}

export interface ReadLimits {
  /** the last seq wanted, if not all there is: pieces end exactly there */
  hi?: number;
  /** of all pieces; a first piece that is larger is given all the same */
  maxRecords: number;
  maxBytes: number;
}

export interface CopySource {
  /**
   * The durable state; the same again after a crash.
   * @param signal says stop, also to what `read` waits for
   */
  open(signal: AbortSignal): Promise<CopyState>;

  /**
   * The next records, in order and without a hole, beginning exactly at seq `lo`. Only what is
   * durable: nothing beyond `end()`. Damaged or retired records are there as gap records, durable
   * before anything behind them is given out; a gap that begins before `lo` or ends behind `hi` is
   * cut, and so another record than the whole one.
   * @returns an empty list if nothing is there yet, or the seq `hi` cannot be cut at
   */
  read(lo: number, limits: ReadLimits): Promise<Piece[]>;

  /**
   * Of a source that may fail on what its records hold: does it do so from seq `lo` on? A copy that
   * never reached its target fails then, before anything is made there for it.
   */
  prove?(lo: number): Promise<void>;

  /** The last durable seq. */
  end(): Promise<number>;

  /** Resolves when there is more than `seq`, or after `timeoutMs`, or when the signal says stop. */
  wait(seq: number, timeoutMs: number, signal: AbortSignal): Promise<void>;

  /**
   * Writes how far the copy has come; it also ends the intent. Entries become durable in the order
   * in which they were given: a durable intent is proof of every cursor before it.
   * @returns when it is durable: from then on records up to `acked` may be released
   */
  writeCursor(cursor: Cursor, signal: AbortSignal): Promise<void>;

  /** @returns when it is durable */
  writeIntent(intent: Intent, signal: AbortSignal): Promise<void>;

  /**
   * The copy was refused: takes back the durable state that `open` has made, if nothing was sent
   * by it and nobody wants it to stand. It would hold records back for ever.
   */
  forget(): Promise<void>;

  /** After SOURCE_DIVERGED: gives the stream a new random incarnation, durably. */
  renew(signal: AbortSignal): Promise<void>;
}
