/**
 * Requests that become durable together, in one group of the log. Each is planned behind those
 * before it (`store/write/group-plan.ts`), and one that is refused leaves nothing of itself there.
 *
 * Whether a request may be done is judged by what is durable. So two of them share a group only if
 * neither could change what is said of the other: one that concerns a writer, or makes a stream,
 * that an earlier one concerns waits for the next group. Appends of one writer follow each other,
 * as they do in its stream.
 */
import type { Clock } from '../base/clock.ts';
import { HelicorderError } from '../base/errors.ts';
import { encodeEvents } from '../batch/format.ts';
import { packEvents } from '../batch/opaque.ts';
import { addCursor } from '../store/write/changes.ts';
import { eventRun, type GroupPlan } from '../store/write/group-plan.ts';
import { KIND } from '../store/entries/format.ts';
import { addPosition } from '../store/state/positions.ts';
import type { OpenedRun, StoreWriter } from '../store/write/writer.ts';
import { checkEventLimits } from '../store/event-limits.ts';
import type { HeldRuns } from './held-runs.ts';
import { decodeEventList, type Answer, type Request } from './protocol.ts';
import type { TransactionService } from './transaction-service.ts';

export type SharedRequest = Extract<Request, { type: (typeof SHARED)[number] }>;

const SHARED = ['append', 'open', 'txn-open', 'txn-commit'] as const;

export function isShared(request: { type: string }): request is SharedRequest {
  return (SHARED as readonly string[]).includes(request.type);
}

export interface SharedJob {
  connection: number;
  request: SharedRequest;
  payload: Uint8Array;
}

type Append = Extract<SharedRequest, { type: 'append' }>;

/** What a request is about; its name is the same for all that are about it. */
const ofWriter = (stream: string, writer: string): string => JSON.stringify([stream, writer]);
const ofCopies = (stream: string): string => JSON.stringify([stream]);
const ofCopy = (stream: string, writer: string): string => JSON.stringify([stream, writer, 'copy']);

export class SharedGroup {
  readonly #writer: StoreWriter;
  readonly #clock: Clock;
  readonly #runs: HeldRuns;
  readonly #transactions: TransactionService;
  readonly #plan: GroupPlan;
  /** what its requests are about, and which kind of request was the first of it */
  readonly #concerned = new Map<string, SharedRequest['type']>();

  constructor(
    writer: StoreWriter,
    plan: GroupPlan,
    served: { clock: Clock; runs: HeldRuns; transactions: TransactionService },
  ) {
    this.#writer = writer;
    this.#plan = plan;
    this.#clock = served.clock;
    this.#runs = served.runs;
    this.#transactions = served.transactions;
  }

  /** Is there room for it, and is it about nothing that others are about? Then it must be added. */
  admits({ request, payload }: SharedJob): boolean {
    const { builder } = this.#plan;
    const isCommit = request.type === 'txn-commit';
    const content = isCommit ? this.#transactions.contentOf(request.txn) : undefined;
    const bytes = isCommit ? (content?.bytes ?? 0) : payload.length;
    if (!builder.isEmpty && builder.bytes + bytes > this.#writer.groupLimit) return false;
    const concerns = this.#concernsOf(request, content?.writers ?? []);
    if (!concerns.every((about) => this.#isFree(about, request))) return false;
    for (const about of concerns) this.#concerned.set(about, request.type);
    return true;
  }

  #isFree(about: string, { type }: SharedRequest): boolean {
    const first = this.#concerned.get(about);
    return first === undefined || (first === 'append' && type === 'append');
  }

  /** @param origins whose records a commit brings */
  #concernsOf(request: SharedRequest, origins: readonly string[]): string[] {
    if (request.type === 'append') {
      const { stream, run } = this.#runs.find(request.run) ?? {};
      return stream && run ? [ofWriter(stream.name, run.writer)] : [];
    }
    const { stream, writer } = request;
    const made = this.#writer.state.streamNamed(stream) ? [] : [stream];
    switch (request.type) {
      case 'open':
        return [...made, ofWriter(stream, writer)];
      case 'txn-open':
        // it is held against the other copies that end in the stream
        return [...made, ofCopies(stream), ofCopy(stream, writer)];
      case 'txn-commit':
        return [...origins.map((origin) => ofWriter(stream, origin)), ofCopy(stream, writer)];
    }
  }

  /**
   * @returns the answer, to be asked for once the group is durable
   * @throws what it is refused for
   */
  add(job: SharedJob): () => Answer {
    const { connection, request, payload } = job;
    switch (request.type) {
      case 'append':
        return this.#append(request, job);
      case 'open':
        return this.#plan.attempt(() => this.#open(request, connection));
      case 'txn-open':
      case 'txn-commit': {
        const answer = this.#transactions.serve(connection, request, payload, this.#plan);
        return () => answer;
      }
    }
  }

  #open(
    { stream, writer: id }: Extract<SharedRequest, { type: 'open' }>,
    connection: number,
  ): () => Answer {
    const writer = this.#writer;
    // what the stream holds is the better reason
    const begun = writer.addRuns(this.#plan, [eventRun(stream, id)]);
    writer.openRuns.checkUnsampled(stream);
    const { eventLimit, groupLimit } = writer;
    return () => {
      const [opened] = begun() as [OpenedRun];
      this.#runs.add(connection, opened);
      const { id: run, epoch, nextSeq } = opened.run;
      return { type: 'opened', run, epoch, lastSeq: nextSeq - 1, eventLimit, groupLimit };
    };
  }

  /**
   * Adds the events, and with them the cursor, or the place in a file, of what they were computed
   * from. Whatever may be refused comes before anything is added.
   */
  #append({ run: id, cursor, position }: Append, { connection, payload }: SharedJob): () => Answer {
    const { run, stream } = this.#runs.live(id, connection);
    if (cursor && position) {
      throw new HelicorderError('USAGE', 'an append carries a cursor or a position, not both');
    }
    const isCursorOnly = cursor !== undefined && payload.length === 0;
    const events = isCursorOnly ? [] : decodeEventList(payload);
    checkEventLimits('an append', events, this.#writer);
    const { builder } = this.#plan;
    const [firstSeq, firstOffset] = [this.#plan.nextSeq(run), this.#plan.nextOffset(stream)];
    const { utcNanos } = this.#clock.read();
    const answer: Answer = { type: 'appended', firstSeq, firstOffset };
    if (cursor) addCursor(this.#writer, builder, cursor, utcNanos);
    if (isCursorOnly) return () => answer;
    const entry = packEvents(events, { run: run.id, firstSeq, firstOffset, utcNanos });
    if (position) addPosition(builder, run, entry, position);
    builder.add(KIND.events, stream.id, encodeEvents(entry));
    this.#plan.took(events.length, stream, run);
    return () => answer;
  }
}
