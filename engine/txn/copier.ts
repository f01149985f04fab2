/**
 * The driver of the copier's protocol: it does what `coordinator.ts` says and tells it what came of
 * it. One transaction is in flight, one effect at a time; the rules are there, the waiting is here.
 *
 *   source ─ read ─▶ pieces ─ chain ─▶ begin · append … · flush ─▶ intent durable ─▶ commit
 *     ▲                                                                                │
 *     └──────────────── cursor {acked, chain} ◀──────────────────────── COMMITTED ◀────┘
 *
 * Memory: see `gathering.ts`. Time: every request has a deadline, after which nothing is known of
 * it; what it does later is the participant's to refuse. Bandwidth is a budget of bytes per second
 * that appending draws from.
 *
 * Stopping (the signal) needs no help from anybody: whatever was under way is found by the next
 * open(). An open transaction is aborted as a courtesy, within its deadline; a cursor on its way is
 * waited for for a moment: the target says how far it is.
 *
 * Belongs to one thread. It owns the participant and closes it, it does not own the source.
 */
import { defined } from '../base/assert.ts';
import { systemRandom, type Random } from '../base/clock.ts';
import { COPY_BATCH_BYTES, COPY_BATCH_RECORDS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { edge } from '../base/failpoint.ts';
import { ALARM_WORDS, isFinal, isRefusal, isTooMuch, notCommitted } from './failures.ts';
import { Gathering } from './gathering.ts';
import { Bandwidth, bytesInTime, isStop, systemTimer, withDeadline } from './pacing.ts';
import type { Timer } from './pacing.ts';
import {
  beginCoordination,
  step,
  type Alarm,
  type CoordinatorState,
  type Cursor,
  type Effect,
  type Event,
} from './coordinator.ts';
import type { Intent, Participant, Range, WriterIdentity } from './participant.ts';
import { endOf } from './piece.ts';
import type { CopySource } from './source.ts';
import type { TallyLimits } from './tally.ts';

export interface CopierOptions {
  /** of one transaction, at most what the participant takes; default COPY_BATCH_RECORDS */
  batchRecords?: number;
  /** default: what the participant takes in one go, at most COPY_BATCH_BYTES */
  batchBytes?: number;
  /** of pieces that are kept between reading and sending them; default COPY_BATCH_BYTES */
  keptBytes?: number;
  /** default: unlimited */
  bytesPerSecond?: number;
  /**
   * A transaction begins half to all of this after the one before, unless that one could not take
   * all there was: many small ones cost more than a large one. Records after a pause do not wait.
   * Default: 0
   */
  lingerMs?: number;
  /** one-shot: ends when everything up to this seq is acknowledged; default: goes on for ever */
  until?: number;
  /** how long an idle copy waits before it asks the participant whether all is as it was */
  probeIntervalMs?: number;
  /** of each request */
  deadlineMs?: number;
  signal?: AbortSignal;
  /** called in the copier's thread, after the fact; must not throw */
  onProgress?: (progress: CopyProgress) => void;
  timer?: Timer;
  random?: Random;
}

export type CopyProgress =
  /** it is at the participant, in a transaction that is open */
  | { kind: 'sent'; seq: number }
  /** the participant has it; `records` in this commit */
  | { kind: 'committed'; acked: number; records: number; bytes: number }
  /** open() has answered, and the copy goes on from here */
  | { kind: 'opened'; acked: number; epoch: number }
  /** the cursor is durable: records up to here may be released */
  | { kind: 'released'; acked: number }
  | { kind: 'failed'; phase: string; failures: number; error: unknown };

export interface CopyResult {
  /** the last acknowledged seq; its cursor is durable */
  acked: number;
  /** `stopped`: by the signal */
  ended: 'done' | 'stopped';
}

const PROBE_INTERVAL_MS = 10_000;
const DEADLINE_MS = 30_000;
/** How long a copy that ends otherwise than by being done waits for its last cursor. */
const CURSOR_WAIT_MS = 1000;

export class Copier {
  readonly #source: CopySource;
  readonly #participant: Participant;
  readonly #options: CopierOptions;
  readonly #timer: Timer;
  readonly #random: Random;
  readonly #bandwidth: Bandwidth;
  readonly #gathering: Gathering;
  readonly #signal: AbortSignal;
  #writer: WriterIdentity | undefined;
  /** a transaction was more than the participant takes, whatever it has said */
  #isTooMuch = false;
  #openTransaction: string | undefined;
  /** when the last records were read for a transaction, and whether some were left for the next */
  #lastRead = { ms: -Infinity, leftSome: false };
  /** the last cursor's way to the disk */
  #released: Promise<void> = Promise.resolve();
  /** says when it is not waited for any more */
  readonly #cursors = new AbortController();
  #takeBack: (() => void) | undefined;
  /** the last cursor was not waited for */
  #isCursorLeft = false;
  #sourceError: Error | undefined;

  constructor(source: CopySource, participant: Participant, options: CopierOptions = {}) {
    this.#source = source;
    this.#gathering = new Gathering(source, options.keptBytes ?? COPY_BATCH_BYTES);
    this.#participant = participant;
    this.#options = options;
    this.#timer = options.timer ?? systemTimer;
    this.#random = options.random ?? systemRandom;
    this.#bandwidth = new Bandwidth(options.bytesPerSecond ?? Infinity, this.#timer);
    this.#signal = options.signal ?? new AbortController().signal;
  }

  /**
   * Copies until it is done, told to stop, or raises an alarm. Can be called once.
   * @throws HelicorderError TARGET_ROLLED_BACK, SOURCE_DIVERGED, MARKER_GONE; what the source
   *   throws; what the participant throws if trying again is not sensible (`ERRORS`)
   */
  async run(): Promise<CopyResult> {
    const hurry = (): void => this.#hurry();
    if (this.#signal.aborted) hurry();
    this.#signal.addEventListener('abort', hurry);
    try {
      const { writer, cursor, intent } = await this.#source.open(this.#signal);
      this.#writer = writer;
      if (cursor.epoch === 0) await this.#source.prove?.(cursor.acked + 1);
      const state = await this.#drive(beginCoordination(cursor, intent));
      await this.#released;
      this.#checkSource();
      const { acked } = state.cursor;
      const isDone = this.#isDone(state.cursor) && !this.#isCursorLeft;
      return { acked, ended: isDone ? 'done' : 'stopped' };
    } catch (error) {
      // refused: what was made for it, and nothing was sent by, is in nobody's way
      if (isRefusal(error)) await this.#courtesy(() => this.#source.forget());
      throw error;
    } finally {
      this.#signal.removeEventListener('abort', hurry);
      hurry();
      await this.#letGo();
      await this.#released;
      this.#takeBack?.();
    }
  }

  /** It ends: a cursor on its way is waited for for a moment. */
  #hurry(): void {
    this.#takeBack ??= this.#timer.after(CURSOR_WAIT_MS, () => this.#cursors.abort());
  }

  async #drive(first: CoordinatorState): Promise<CoordinatorState> {
    let state = first;
    let event: Event = { kind: 'start' };
    for (;;) {
      const next = step(state, event);
      this.#report(state, next.state, event);
      state = next.state;
      const last = defined(next.effects.at(-1), 'an effect');
      for (const effect of next.effects.slice(0, -1)) this.#begin(effect);
      this.#checkSource();
      if (last.kind === 'idle' && this.#isDone(state.cursor)) return state;
      if (this.#signal.aborted && last.kind !== 'alarm') return state;
      try {
        event = await this.#answer(last, state);
      } catch (error) {
        if (isStop(error, this.#signal)) return state;
        throw error;
      }
    }
  }

  #isDone({ acked }: Cursor): boolean {
    return acked >= (this.#options.until ?? Infinity);
  }

  /** What is not waited for. */
  #begin(effect: Effect): void {
    if (effect.kind !== 'writeCursor') return;
    const { acked } = effect.cursor;
    this.#released = this.#writeCursor(effect.cursor).then(
      () => this.#options.onProgress?.({ kind: 'released', acked }),
      (error: Error) => {
        if (isStop(error, this.#cursors.signal)) this.#isCursorLeft = true;
        else this.#sourceError ??= error;
      },
    );
  }

  /** What is not waited for may have failed. */
  #checkSource(): void {
    if (this.#sourceError !== undefined) throw this.#sourceError;
  }

  async #writeCursor(cursor: Cursor): Promise<void> {
    await edge('copy-cursor', () => this.#source.writeCursor(cursor, this.#cursors.signal));
  }

  /** Source and rules may throw: that ends the copy. A participant's error is an event. */
  async #answer(effect: Effect, state: CoordinatorState): Promise<Event> {
    switch (effect.kind) {
      case 'idle':
        return this.#nextRecords(effect.lo, effect.chain);
      case 'recompute':
        return this.#recompute(effect.lo, effect.hi, effect.chain);
      case 'writeIntent':
        await edge('copy-intent', () => this.#source.writeIntent(effect.intent, this.#signal));
        return { kind: 'intentDurable' };
      case 'wait':
        await this.#timer.sleep(this.#between(effect.minMs, effect.maxMs), this.#signal);
        return { kind: 'waited' };
      case 'alarm':
        return this.#alarm(effect.alarm, effect.renew);
      default:
        return this.#ask(effect, state);
    }
  }

  async #ask(effect: Effect, state: CoordinatorState): Promise<Event> {
    let event: Event;
    try {
      event = await this.#request(effect);
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#isTooMuch ||= isTooMuch(error, this.#timer.nowMs() - this.#lastRead.ms);
      const { phase, failures } = state;
      this.#options.onProgress?.({ kind: 'failed', phase: phase.name, failures, error });
      return { kind: 'failed' };
    }
    if (event.kind !== 'opened') return event;
    return { ...event, end: await this.#source.end() };
  }

  async #request(effect: Effect): Promise<Event> {
    const participant = this.#participant;
    switch (effect.kind) {
      case 'open': {
        this.#openTransaction = undefined;
        const writer = defined(this.#writer, 'the writer');
        const outcome = await edge('copy-open', () =>
          this.#call((signal) => participant.open(writer, effect.intent, signal)),
        );
        return { kind: 'opened', outcome, end: 0 };
      }
      case 'send':
        return { kind: 'sent', txn: await this.#send(effect.epoch, effect.range) };
      case 'commit': {
        const intent = this.#named(effect.intent);
        const outcome = await edge('copy-commit', () =>
          this.#call((signal) => participant.commit(effect.epoch, intent, signal)),
        );
        this.#openTransaction = undefined;
        if (outcome.kind !== 'COMMITTED') throw notCommitted(outcome);
        return { kind: 'answered', outcome };
      }
      case 'probe': {
        const asked = (signal: AbortSignal) => participant.position(effect.epoch, signal);
        return { kind: 'probed', position: await this.#call(asked) };
      }
      default:
        throw new TypeError(`${effect.kind} is nothing to ask a participant`);
    }
  }

  #call<T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { deadlineMs = DEADLINE_MS } = this.#options;
    return withDeadline(request, deadlineMs, this.#signal, this.#timer);
  }

  /** A participant with position-with-data still wants to know which transaction it is. */
  #named(intent: Intent): Intent {
    return { txn: intent.txn ?? this.#openTransaction, range: intent.range };
  }

  async #send(epoch: number, range: Range): Promise<string | undefined> {
    const participant = this.#participant;
    let txn = '';
    for await (const piece of this.#gathering.pieces(range)) {
      await this.#bandwidth.take(piece.bytes, this.#signal);
      // it is not open while the debt of the one before it is paid
      if (piece.lo === range.lo) txn = await this.#beginTransaction(epoch, range.lo);
      await edge('copy-append', () =>
        this.#call((signal) => participant.append(txn, piece, signal)),
      );
      this.#options.onProgress?.({ kind: 'sent', seq: endOf(piece) - 1 });
    }
    await edge('copy-flush', () => this.#call((signal) => participant.flush(txn, signal)));
    return participant.capabilities.kind === 'two-phase' ? txn : undefined;
  }

  async #beginTransaction(epoch: number, lo: number): Promise<string> {
    const begin = (signal: AbortSignal) => this.#participant.begin(epoch, lo, signal);
    const txn = await edge('copy-begin', () => this.#call(begin));
    this.#openTransaction = txn;
    return txn;
  }

  async #nextRecords(lo: number, chain: bigint): Promise<Event> {
    const { probeIntervalMs = PROBE_INTERVAL_MS, until: hi } = this.#options;
    await this.#linger();
    await this.#source.wait(lo - 1, probeIntervalMs, this.#signal);
    const end = await this.#source.end();
    const range = await this.#gathering.gather(lo, chain, { ...this.#limits(), hi, end });
    if (range === undefined) return { kind: 'probe' };
    this.#lastRead = { ms: this.#timer.nowMs(), leftSome: range.hi < end };
    return { kind: 'records', range };
  }

  #limits(): TallyLimits {
    const { maxRecords, maxBytes, usualBytes = maxBytes } = this.#participant.capabilities;
    const usual = Math.min(usualBytes, COPY_BATCH_BYTES);
    const { batchRecords = COPY_BATCH_RECORDS, batchBytes = usual, bytesPerSecond } = this.#options;
    // from then on no transaction of this copy is larger than others
    const mostBytes = this.#isTooMuch ? Math.min(usual, batchBytes) : batchBytes;
    const wantedBytes = Math.min(mostBytes, bytesInTime(bytesPerSecond));
    return {
      maxRecords: Math.min(maxRecords, batchRecords),
      maxBytes: Math.min(maxBytes, wantedBytes),
    };
  }

  async #linger(): Promise<void> {
    const { lingerMs = 0 } = this.#options;
    const { ms, leftSome } = this.#lastRead;
    if (lingerMs === 0 || leftSome) return;
    // by chance: many copies would else all commit in the same group, and work at the same time
    const left = ms + this.#between(lingerMs / 2, lingerMs) - this.#timer.nowMs();
    if (left > 0) await this.#timer.sleep(left, this.#signal);
  }

  async #recompute(lo: number, hi: number, before: bigint): Promise<Event> {
    return { kind: 'recomputed', chain: await this.#gathering.chainOver(lo, hi, before) };
  }

  async #alarm(kind: Alarm, renew: boolean): Promise<never> {
    await this.#released;
    if (renew) await this.#renew();
    const { store, incarnation, base } = defined(this.#writer, 'the writer');
    const details = { store, incarnation, base };
    const whose = `store ${store}, incarnation ${incarnation}, base ${base}`;
    throw new HelicorderError(kind, `${ALARM_WORDS[kind]} (${whose})`, { details });
  }

  /** Where it is not waited for, the next copy meets the same alarm. */
  async #renew(): Promise<void> {
    try {
      await this.#source.renew(this.#signal);
    } catch (error) {
      if (!isStop(error, this.#signal)) throw error;
    }
  }

  #between(minMs: number, maxMs: number): number {
    const [byte] = this.#random.bytes(1) as unknown as [number];
    return minMs + ((maxMs - minMs) * byte) / 255;
  }

  #report(before: CoordinatorState, after: CoordinatorState, event: Event): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined || after.phase.name !== 'idle') return;
    const { acked, epoch } = after.cursor;
    if (event.kind === 'answered' && before.phase.name === 'committing') {
      const { count } = before.phase.intent.range;
      onProgress({ kind: 'committed', acked, records: count, bytes: this.#gathering.bytes });
    } else if (event.kind === 'opened' || event.kind === 'recomputed') {
      onProgress({ kind: 'opened', acked, epoch });
    }
  }

  async #letGo(): Promise<void> {
    const txn = this.#openTransaction;
    this.#gathering.forget();
    try {
      // in vain: the next open() ends it
      if (txn !== undefined) await this.#courtesy(() => this.#participant.abort(txn));
    } finally {
      await this.#participant.close();
    }
  }

  /** Within its deadline, and never an error: another one is on its way to the caller. */
  async #courtesy(request: () => Promise<void>): Promise<void> {
    const { deadlineMs = DEADLINE_MS } = this.#options;
    const never = new AbortController().signal;
    await withDeadline(request, deadlineMs, never, this.#timer).catch(() => undefined);
  }
}
