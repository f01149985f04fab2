/**
 * Requests that change the store, on the thread that owns it, one after the other in the order in
 * which they came. Appends that stand next to each other share a group: the more clients write at
 * once, the fewer writes each of them costs.
 *
 * On a full disk the group in hand stays pending in the log; whoever owns the thread resumes it,
 * and the next `serve` answers it. Behind it only changes are served, since they may free space.
 * Where there is no room for some streams only (`store/admission.ts`), records for them wait, and
 * what their clients ask behind them; others do not.
 */
import type { Clock, Random } from '../base/clock.ts';
import { HelicorderError, isCode } from '../base/errors.ts';
import { edge, edgeNamed } from '../base/failpoint.ts';
import { encodeEvents } from '../batch/format.ts';
import { packEvents } from '../batch/opaque.ts';
import { NO_ROOM_FOR_NEW } from '../store/admission.ts';
import { addCursor, removeCursor, removeStream, setCursor, trimStream } from '../store/changes.ts';
import { lostEntry, trimEntry, type TrimEntry } from '../store/control-entries.ts';
import { KIND } from '../store/log/format.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import { addNewLosses } from '../store/lost-entries.ts';
import { addPosition } from '../store/positions.ts';
import { eventRun } from '../store/run-plan.ts';
import type { OpenedRun, StoreWriter } from '../store/writer.ts';
import { noRoom, parted } from './refused.ts';
import { decodeEventList, failureOf, type Answer, type Request } from './protocol.ts';
import {
  TransactionService,
  isTransactionRequest,
  type TransactionRequest,
} from './transaction-service.ts';

/** What the thread that owns the log is asked; the others are answered elsewhere. */
export type StoreRequest = Exclude<Request, { type: 'status' | 'reload' | 'yield' }>;

export interface ServiceEvents {
  /** once for each request, with the key it was submitted with */
  answer: (key: number, answer: Answer) => void;
  /** the disk is full: answers come when there is space again */
  waiting: (message: string) => void;
}

type AppendRequest = Extract<StoreRequest, { type: 'append' }>;
type ChangeRequest = Exclude<StoreRequest, AppendRequest>;
/** What may free space, or costs next to none: served ahead of records that wait for space. */
const AHEAD = new Set(['set-cursor', 'remove-cursor', 'trim', 'remove']);

interface Job<R extends StoreRequest = StoreRequest> {
  connection: number;
  key: number;
  request: R;
  payload: Uint8Array;
}

/** Behind all that a client asked for: its runs are ended. */
interface Departure {
  connection: number;
  request: { type: 'gone' };
}

type Waiting = Job<AppendRequest> | Job<ChangeRequest> | Departure;

interface HeldRun {
  connection: number;
  opened: OpenedRun;
}

interface PlannedAppend {
  job: Job;
  answer: Answer;
}

export class ControlService {
  readonly #writer: StoreWriter;
  readonly #clock: Clock;
  readonly #events: ServiceEvents;
  readonly #builder: GroupBuilder;
  readonly #transactions: TransactionService;
  readonly #runs = new Map<number, HeldRun>();
  #queue: Waiting[] = [];
  /** in their order: records for which there is no room, and what was asked behind them */
  #refused: Waiting[] = [];
  /** records waited for space before what is served now */
  #wasWaiting = false;
  /** what to do once the pending group is durable */
  #whenDurable: (() => void) | undefined;

  constructor(
    writer: StoreWriter,
    environment: { clock: Clock; random: Random },
    events: ServiceEvents,
  ) {
    this.#writer = writer;
    this.#clock = environment.clock;
    this.#transactions = new TransactionService(writer, environment);
    this.#events = events;
    this.#builder = writer.group();
  }

  submit(connection: number, key: number, request: StoreRequest, payload: Uint8Array): void {
    this.#queue.push({ connection, key, request, payload } as Waiting);
  }

  /** The client has gone: its runs are ended behind what it still asked for, and has room. */
  gone(connection: number): void {
    this.#queue.push({ connection, request: { type: 'gone' } });
  }

  /**
   * Serves what is next in line, with at most one write.
   * @returns true if there is more: the caller does what else it has to, and calls again
   * @throws whatever is final: STORE_IO, assertions
   */
  serve(): boolean {
    this.#wasWaiting = this.#writer.isWaiting;
    this.#transactions.look(this.#wasWaiting);
    if (this.#wasWaiting) return this.#serveAhead();
    this.#whenDurable?.();
    this.#whenDurable = undefined;
    this.#putAside();
    const [next] = this.#queue;
    if (next === undefined) return false;
    if (isAppend(next)) this.#serveAppends();
    else {
      this.#queue.shift();
      if (isChange(next)) this.#serveChange(next);
      else this.#leave(next.connection);
    }
    return this.#queue.length > 0;
  }

  /** Parts what there is room for from what there is none for; nobody is overtaken by himself. */
  #putAside(): void {
    if (!this.#writer.admission.isScarce && this.#refused.length === 0) return;
    const clients = new Set<number>();
    const before = this.#refused.length;
    const all = [...this.#refused, ...this.#queue];
    [this.#refused, this.#queue] = parted(all, (next) => {
      const { type } = next.request;
      const isBehind = clients.has(next.connection) && type !== 'gone' && !AHEAD.has(type);
      if (!isBehind && !this.#isRefused(next)) return false;
      clients.add(next.connection);
      return true;
    });
    if (this.#refused.length > before) this.#events.waiting(NO_ROOM_FOR_NEW);
  }

  #giveUp(test: (one: Waiting) => boolean): void {
    const [own, others] = parted(this.#refused, test);
    this.#refused = others;
    for (const one of own) if (isJob(one)) this.#answer(one, noRoom());
  }

  #isRefused({ request }: Waiting): boolean {
    const { admission } = this.#writer;
    if (request.type === 'txn-commit') return admission.refuses(request.stream);
    if (request.type !== 'append') return false;
    const stream = this.#runs.get(request.run)?.opened.stream.name;
    return stream !== undefined && admission.refuses(stream);
  }

  #leave(connection: number): void {
    this.#giveUp((one) => one.connection === connection);
    this.#transactions.gone(connection);
    this.#endRuns(this.#runsOf(connection), 'disconnected');
  }

  /** Records wait for space: what may free some does not wait behind them. */
  #serveAhead(): boolean {
    const index = this.#queue.findIndex((next) => isChange(next) && AHEAD.has(next.request.type));
    const [next] = index < 0 ? [] : this.#queue.splice(index, 1);
    if (next === undefined || !isChange(next)) return false;
    this.#serveChange(next);
    return true;
  }

  /** Serves what is left and ends all runs, as far as the disk takes it. */
  close(): void {
    while (this.serve());
    this.#giveUp(() => true);
    this.#transactions.close();
    if (this.#writer.isWaiting) return;
    this.#endRuns([...this.#runs.values()], 'stopped');
  }

  #serveChange(job: Job<ChangeRequest>): void {
    const { request, connection } = job;
    const done = (): void => this.#answer(job, { type: 'done' });
    try {
      if (isTransactionRequest(request)) return this.#serveTransaction(job, request);
      switch (request.type) {
        case 'open':
          return this.#open(job, request);
        case 'end':
          return this.#endRuns([this.#heldRun(request.run, connection)], 'stopped', done);
        case 'set-cursor': {
          const { utcNanos } = this.#clock.read();
          edge('cursor-entry', () => setCursor(this.#writer, request, utcNanos));
          return done();
        }
        case 'remove-cursor':
          removeCursor(this.#writer, request.name);
          return done();
        case 'pin':
          addNewLosses(this.#builder, this.#writer.state, [lostEntry.decode(job.payload)]);
          return edge('lost-entry', () => this.#commitBuilder(done));
        case 'trim':
          trimStream(this.#writer, this.#checkedTrim(job.payload));
          return done();
        case 'remove':
          removeStream(this.#writer, request.stream);
          return done();
      }
    } catch (error) {
      if (!this.#wasWaiting) this.#builder.clear();
      this.#answer(job, this.#refusal(error));
    }
  }

  #serveTransaction(job: Job, request: TransactionRequest): void {
    const { connection, payload } = job;
    const serve = (): void => {
      const answer = this.#transactions.serve(connection, request, payload, this.#builder);
      const tell = (): void => this.#answer(job, answer);
      const isCommit = request.type === 'txn-commit';
      this.#commitBuilder(isCommit ? () => edge('commit-answer', tell) : tell);
    };
    edgeNamed(request.type, serve);
  }

  #open(job: Job, { stream, writer: id }: Extract<StoreRequest, { type: 'open' }>): void {
    const writer = this.#writer;
    const begun = writer.addRuns(this.#builder, [eventRun(stream, id)]);
    writer.openRuns.checkUnsampled(stream);
    this.#commitBuilder(() => {
      const [opened] = begun() as [OpenedRun];
      const { id: run, epoch, nextSeq } = opened.run;
      this.#runs.set(run, { connection: job.connection, opened });
      const limits = { eventLimit: writer.eventLimit, groupLimit: writer.groupLimit };
      this.#answer(job, { type: 'opened', run, epoch, lastSeq: nextSeq - 1, ...limits });
    });
  }

  /** Those at the head of the line, as many as make one group. */
  #serveAppends(): void {
    const planned: PlannedAppend[] = [];
    const next = { seqs: new Map<number, number>(), offsets: new Map<number, number>() };
    let bytes = 0;
    for (const job of this.#queue) {
      if (!isAppend(job)) break;
      if (bytes > 0 && bytes + job.payload.length > this.#writer.groupLimit) break;
      bytes += job.payload.length;
      planned.push({ job, answer: this.#planAppend(job, next) });
    }
    this.#queue = this.#queue.slice(planned.length);
    try {
      this.#commitBuilder(() => planned.forEach(({ job, answer }) => this.#answer(job, answer)));
    } catch (error) {
      this.#builder.clear();
      const refused = this.#refusal(error);
      for (const { job } of planned) this.#answer(job, refused);
    }
  }

  /**
   * Adds the events to the group, and with them the cursor, or the place in a file, of what they
   * were computed from. Whatever may be refused comes before anything is added.
   * @returns the answer to give once it is durable
   */
  #planAppend(
    job: Job<AppendRequest>,
    next: { seqs: Map<number, number>; offsets: Map<number, number> },
  ): Answer {
    const { run, cursor, position } = job.request;
    try {
      const { opened } = this.#heldRun(run, job.connection);
      this.#checkFence(opened);
      if (cursor && position) {
        throw new HelicorderError('USAGE', 'an append carries a cursor or a position, not both');
      }
      const isCursorOnly = cursor !== undefined && job.payload.length === 0;
      const events = isCursorOnly ? [] : this.#checkSizes(decodeEventList(job.payload));
      const { stream } = opened;
      const firstSeq = next.seqs.get(run) ?? opened.run.nextSeq;
      const firstOffset = next.offsets.get(stream.id) ?? stream.nextOffset;
      const { utcNanos } = this.#clock.read();
      if (cursor) addCursor(this.#writer, this.#builder, cursor, utcNanos);
      if (isCursorOnly) return { type: 'appended', firstSeq, firstOffset };
      const entry = packEvents(events, { run, firstSeq, firstOffset, utcNanos });
      if (position) addPosition(this.#builder, opened.run, entry, position);
      this.#builder.add(KIND.events, stream.id, encodeEvents(entry));
      next.seqs.set(run, firstSeq + events.length);
      next.offsets.set(stream.id, firstOffset + events.length);
      return { type: 'appended', firstSeq, firstOffset };
    } catch (error) {
      return this.#refusal(error);
    }
  }

  #heldRun(run: number, connection: number): HeldRun {
    const held = this.#runs.get(run);
    if (held?.connection === connection) return held;
    throw new HelicorderError('USAGE', `run ${run} was not opened by this connection`);
  }

  /** Whoever asks has read the stream for it: that is too long a work for this thread. */
  #checkedTrim(payload: Uint8Array): TrimEntry {
    const trim = trimEntry.decode(payload);
    const stream = this.#writer.state.streams.get(trim.stream);
    const records = trim.writers.reduce((sum, writer) => sum + writer.records, 0);
    const isSound = records === trim.lowWater && trim.lowWater <= (stream?.nextOffset ?? -1);
    if (isSound) return trim;
    throw new HelicorderError(
      'USAGE',
      `stream ${trim.stream} holds no such ${trim.lowWater} records`,
    );
  }

  /** A writer that was opened again belongs to whoever did that (durability, I8). */
  #checkFence(opened: OpenedRun): void {
    if (!this.#isFenced(opened)) return;
    const { run, stream } = opened;
    const which = `writer ${run.writer} of ${stream.name}`;
    throw new HelicorderError('FENCED', `${which}, epoch ${run.epoch}, was opened again elsewhere`);
  }

  #isFenced({ run, stream }: OpenedRun): boolean {
    return this.#writer.state.latestRun(stream.id, run.writer)?.id !== run.id;
  }

  #checkSizes(events: Uint8Array[]): Uint8Array[] {
    const limit = events.length === 1 ? this.#writer.eventLimit : this.#writer.groupLimit;
    const bytes = events.reduce((sum, event) => sum + event.length, 0);
    if (bytes <= limit) return events;
    throw new HelicorderError('USAGE', `${bytes} bytes at once: this store takes at most ${limit}`);
  }

  #runsOf(connection: number): HeldRun[] {
    return [...this.#runs.values()].filter((held) => held.connection === connection);
  }

  /** Runs that a later one has fenced are over already. */
  #endRuns(
    runs: readonly HeldRun[],
    reason: string,
    whenDurable: () => void = () => undefined,
  ): void {
    for (const { opened } of runs) {
      this.#runs.delete(opened.run.id);
      if (this.#isFenced(opened)) continue;
      this.#writer.addRunEnd(this.#builder, opened.run, reason);
    }
    this.#commitBuilder(whenDurable);
  }

  /** Nothing to write is durable as it is. */
  #commitBuilder(whenDurable: () => void): void {
    if (this.#builder.isEmpty) return whenDurable();
    this.#commit(() => this.#writer.commit(this.#builder), whenDurable);
  }

  #commit(write: () => void, whenDurable: () => void): void {
    try {
      write();
    } catch (error) {
      if (!isCode(error, 'NO_SPACE')) throw error;
      this.#whenDurable = whenDurable;
      this.#events.waiting(error.message);
      return;
    }
    this.#writer.prepare();
    whenDurable();
  }

  /**
   * The answer to what cannot be done, with nothing of it left in the group.
   * @throws the error itself if it is final: a broken disk, or a group that is stuck half done
   */
  #refusal(error: unknown): Answer {
    const isFinal = !(error instanceof HelicorderError) || error.code === 'STORE_IO';
    if (isFinal || (this.#writer.isWaiting && !this.#wasWaiting)) throw error;
    return failureOf(error);
  }

  #answer({ key }: Job, answer: Answer): void {
    this.#events.answer(key, answer);
  }
}

function isAppend(next: Waiting): next is Job<AppendRequest> {
  return next.request.type === 'append';
}

function isJob(next: Waiting): next is Job<AppendRequest> | Job<ChangeRequest> {
  return next.request.type !== 'gone';
}

function isChange(next: Waiting): next is Job<ChangeRequest> {
  return !isAppend(next) && next.request.type !== 'gone';
}
