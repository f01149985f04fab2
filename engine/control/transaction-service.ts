/**
 * The requests of copies that end in this store (`txn-…`), between the words of the protocol and
 * `store/write/transactions.ts`, which knows the rules. Refusals by rule are answers, not errors.
 */
import { parseSchema } from '../batch/schema.ts';
import type { GroupPlan } from '../store/write/group-plan.ts';
import { Transactions, type TransactionEnvironment } from '../store/write/transactions.ts';
import type { StoreWriter } from '../store/write/writer.ts';
import { Refused, type CommitOutcome } from '../txn/participant.ts';
import { decodePieces } from '../txn/piece-format.ts';
import { positionOf, type HeldPosition } from '../txn/position.ts';
import type { Answer, Request } from './protocol.ts';

export type TransactionRequest = Extract<Request, { type: `txn-${string}` }>;

export function isTransactionRequest(request: Request): request is TransactionRequest {
  return request.type.startsWith('txn-');
}

export class TransactionService {
  readonly #writer: StoreWriter;
  readonly #transactions: Transactions;

  constructor(writer: StoreWriter, environment: TransactionEnvironment) {
    this.#writer = writer;
    this.#transactions = new Transactions(writer, environment);
  }

  /**
   * Does what is asked, or adds it to the group.
   * @returns the answer, to be given once what is in the group is durable
   * @throws HelicorderError for what is no refusal by rule
   */
  serve(
    connection: number,
    request: TransactionRequest,
    payload: Uint8Array,
    plan: GroupPlan,
  ): Answer {
    try {
      return plan.attempt(() => this.#serve(connection, request, payload, plan));
    } catch (error) {
      if (error instanceof Refused) return answerOf(error.outcome);
      throw error;
    }
  }

  /** What a transaction that is open holds; undefined if it is not. */
  contentOf(txn: string): { writers: string[]; bytes: number } | undefined {
    return this.#transactions.contentOf(txn);
  }

  /** @param isWaiting records wait for space */
  look(isWaiting: boolean): void {
    if (isWaiting) this.#transactions.yieldSpace();
    this.#transactions.expire();
  }

  close(): void {
    this.#transactions.close();
  }

  gone(connection: number): void {
    this.#transactions.gone(connection);
  }

  #serve(
    connection: number,
    request: TransactionRequest,
    payload: Uint8Array,
    plan: GroupPlan,
  ): Answer {
    const transactions = this.#transactions;
    switch (request.type) {
      case 'txn-open': {
        const { stream, samplesPerEvent, writer } = request;
        const schema = parseSchema(new TextDecoder().decode(payload));
        const wanted = { stream, samplesPerEvent, schema };
        return this.#position(transactions.open(plan, wanted, writer));
      }
      case 'txn-position':
        return this.#position(transactions.position(request, request.epoch));
      case 'txn-begin': {
        const { epoch, lo } = request;
        return { type: 'begun', txn: transactions.begin(connection, request, epoch, lo) };
      }
      case 'txn-append':
        transactions.append(request.txn, decodePieces(payload), payload);
        return { type: 'done' };
      case 'txn-flush': {
        const { txn, count, crc } = request;
        const isTold = count !== undefined && crc !== undefined;
        transactions.flush(txn, isTold ? { count, crc } : undefined);
        return { type: 'done' };
      }
      case 'txn-commit': {
        const { epoch, txn, lo, hi, count, before, chain } = request;
        const what = { txn, range: { lo, hi, count, before, chain } };
        return answerOf(transactions.commit(plan, request, epoch, what));
      }
      case 'txn-abort':
        transactions.abort(request.txn);
        return { type: 'done' };
    }
  }

  #position(held: HeldPosition): Answer {
    const { eventLimit, groupLimit } = this.#writer;
    const limits = { eventLimit, groupLimit, transactionLimit: this.#transactions.limits.maxBytes };
    return { type: 'position', ...positionOf(held), ...limits };
  }
}

function answerOf(outcome: CommitOutcome): Answer {
  switch (outcome.kind) {
    case 'COMMITTED': {
      const { firstOffset = 0, endOffset = 0 } = outcome;
      return { type: 'committed', firstOffset, endOffset };
    }
    case 'REJECTED':
      return { type: 'refused', outcome: 'REJECTED', reason: outcome.reason, ...toldBy(outcome) };
    case 'ABORTED':
      return { type: 'refused', outcome: 'ABORTED', ...toldBy(outcome) };
    case 'UNKNOWN':
      throw new TypeError('a store knows what it has committed');
    default:
      return { type: 'refused', outcome: outcome.kind };
  }
}

function toldBy({ message }: { message?: string }): { message?: string } {
  return message === undefined ? {} : { message };
}
