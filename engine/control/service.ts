/**
 * Requests that change the store, on the thread that owns it, in the order in which each client has
 * sent them. Appends, opens and commits of all who wait share a group (`shared-group.ts`), and so
 * do cursors: the more clients write at once, the fewer writes each of them costs.
 *
 * On a full disk the group in hand stays pending in the log; whoever owns the thread resumes it,
 * and the next `serve` answers it. Behind it only changes are served, since they may free space.
 * Where there is no room for some streams only (`store/write/admission.ts`), records for them wait,
 * and what their clients ask behind them; others do not.
 */
import type { Clock, Random } from '../base/clock.ts';
import { KIB } from '../base/constants.ts';
import { HelicorderError, isCode } from '../base/errors.ts';
import { edge, edgeNamed } from '../base/failpoint.ts';
import { NO_ROOM_FOR_NEW } from '../store/write/admission.ts';
import { addCursor, removeCursor, removeStream, trimStream } from '../store/write/changes.ts';
import { lostEntry, trimEntry, type TrimEntry } from '../store/entries/control-entries.ts';
import type { GroupBuilder } from '../store/log/group.ts';
import { addNewLosses } from '../store/write/lost-entries.ts';
import type { OpenedRun, StoreWriter } from '../store/write/writer.ts';
import { noRoom, parted } from './refused.ts';
import { failureOf, type Answer, type Request } from './protocol.ts';
import { HeldRuns } from './held-runs.ts';
import { SharedGroup, isShared, type SharedRequest } from './shared-group.ts';
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

type CursorRequest = Extract<StoreRequest, { type: 'set-cursor' }>;
type ChangeRequest = Exclude<StoreRequest, SharedRequest | CursorRequest>;
/** What may free space, or costs next to none: served ahead of records that wait for space. */
const AHEAD = new Set(['set-cursor', 'remove-cursor', 'trim', 'remove']);
/** Of cursors at once; one that is larger comes alone. */
const CURSORS_BYTES = 32 * KIB;

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

type Waiting = Job<SharedRequest> | Job<CursorRequest> | Job<ChangeRequest> | Departure;

/** What is in a group, and what is answered once that is durable. */
interface Planned {
  job: Job;
  answer: () => Answer;
}

export class ControlService {
  readonly #writer: StoreWriter;
  readonly #clock: Clock;
  readonly #events: ServiceEvents;
  readonly #builder: GroupBuilder;
  readonly #transactions: TransactionService;
  readonly #runs: HeldRuns;
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
    this.#runs = new HeldRuns(writer.state);
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
    if (isSharedJob(next)) this.#serveShared();
    else if (isCursorJob(next)) this.#serveCursors();
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
    const stream = this.#runs.find(request.run)?.stream.name;
    return stream !== undefined && admission.refuses(stream);
  }

  #leave(connection: number): void {
    this.#giveUp((one) => one.connection === connection);
    this.#transactions.gone(connection);
    this.#endRuns(this.#runs.of(connection), 'disconnected');
  }

  /** Records wait for space: what may free some does not wait behind them. */
  #serveAhead(): boolean {
    const index = this.#queue.findIndex(({ request }) => AHEAD.has(request.type));
    const next = this.#queue[index];
    if (next === undefined) return false;
    if (isCursorJob(next)) this.#serveCursors();
    else if (isChange(next)) this.#serveChange(...(this.#queue.splice(index, 1) as [typeof next]));
    return true;
  }

  /** Serves what is left and ends all runs, as far as the disk takes it. */
  close(): void {
    while (this.serve());
    this.#giveUp(() => true);
    this.#transactions.close();
    if (this.#writer.isWaiting) return;
    this.#endRuns(this.#runs.all(), 'stopped');
  }

  #serveChange(job: Job<ChangeRequest>): void {
    const { request, connection } = job;
    const done = (): void => this.#answer(job, { type: 'done' });
    try {
      if (isTransactionRequest(request)) return this.#serveTransaction(job, request);
      switch (request.type) {
        case 'end':
          return this.#endRuns([this.#runs.held(request.run, connection)], 'stopped', done);
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

  /** What of a transaction writes nothing into the log. */
  #serveTransaction(job: Job, request: TransactionRequest): void {
    edgeNamed(request.type, () => {
      const plan = this.#writer.planGroup(this.#builder);
      this.#answer(job, this.#transactions.serve(job.connection, request, job.payload, plan));
    });
  }

  /** Appends, opens and commits, as many as make one group. */
  #serveShared(): void {
    const plan = this.#writer.planGroup(this.#builder);
    const [clock, runs, transactions] = [this.#clock, this.#runs, this.#transactions];
    const group = new SharedGroup(this.#writer, plan, { clock, runs, transactions });
    const planned: Planned[] = [];
    this.#take((job) => {
      if (!isSharedJob(job) || !group.admits(job)) return false;
      planned.push({ job, answer: this.#orRefusal(() => group.add(job)) });
      return true;
    });
    try {
      acrossEdges(
        planned.map(({ job }) => job.request),
        () => this.#commitBuilder(() => this.#answerAll(planned)),
      );
    } catch (error) {
      this.#builder.clear();
      this.#refuseAll(planned, error);
    }
  }

  /** They may free space: there is room for them kept back, which is not to be exceeded. */
  #serveCursors(): void {
    const planned: Planned[] = [];
    const add = (builder: GroupBuilder): void => {
      const plan = this.#writer.planGroup(builder);
      const { utcNanos } = this.#clock.read();
      this.#take((job) => {
        if (!isCursorJob(job) || builder.bytes > CURSORS_BYTES) return false;
        const set = (): (() => Answer) => {
          addCursor(this.#writer, builder, job.request, utcNanos);
          return () => ({ type: 'done' });
        };
        planned.push({ job, answer: this.#orRefusal(() => plan.attempt(set)) });
        return true;
      });
    };
    try {
      edge('cursor-entry', () => this.#writer.change(add));
      this.#answerAll(planned);
    } catch (error) {
      this.#refuseAll(planned, error);
    }
  }

  /** Takes out of the line what is wanted; unless records wait, nobody is overtaken by himself. */
  #take(isWanted: (job: Waiting) => boolean): void {
    const waiting = new Set<number>();
    this.#queue = this.#queue.filter((job) => {
      const isBehind = waiting.has(job.connection) && !this.#wasWaiting;
      if (!isBehind && isWanted(job)) return false;
      waiting.add(job.connection);
      return true;
    });
  }

  #orRefusal(plan: () => () => Answer): () => Answer {
    try {
      return plan();
    } catch (error) {
      const refused = this.#refusal(error);
      return () => refused;
    }
  }

  #answerAll(planned: readonly Planned[]): void {
    for (const { job, answer } of planned) {
      const tell = (): void => this.#answer(job, answer());
      if (job.request.type === 'txn-commit') edge('commit-answer', tell);
      else tell();
    }
  }

  #refuseAll(planned: readonly Planned[], error: unknown): void {
    const refused = this.#refusal(error);
    for (const { job } of planned) this.#answer(job, refused);
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

  /** Runs that a later one has fenced are over already. */
  #endRuns(
    runs: readonly OpenedRun[],
    reason: string,
    whenDurable: () => void = () => undefined,
  ): void {
    for (const opened of runs) {
      this.#runs.delete(opened);
      if (this.#runs.isFenced(opened)) continue;
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

function isSharedJob(next: Waiting): next is Job<SharedRequest> {
  return isShared(next.request);
}

function isCursorJob(next: Waiting): next is Job<CursorRequest> {
  return next.request.type === 'set-cursor';
}

function isChange(next: Waiting): next is Job<ChangeRequest> {
  return isJob(next) && !isSharedJob(next) && !isCursorJob(next);
}

function isJob(next: Waiting): next is Exclude<Waiting, Departure> {
  return next.request.type !== 'gone';
}

/** A step that is the last of requests of several kinds, each of which is an edge. */
function acrossEdges(requests: readonly { type: string }[], step: () => void): void {
  const names = [...new Set(requests.map(({ type }) => type))];
  names.reduceRight((inner, name) => () => edgeNamed(name, inner), step)();
}
