/**
 * The transactions that are open in a store, within limits, and why those are no more that were
 * ended here: who still asks for one of them is told.
 */
import {
  TXN_CHAIN_WORDS,
  TXN_MAX_BYTES,
  TXN_MAX_RECORDS,
  TXN_OPEN_BYTES,
  TXN_OPEN_MAX,
  TXN_OPEN_MS,
} from '../../base/constants.ts';
import { monotonicMs, type Clock } from '../../base/clock.ts';
import type { Content } from '../../txn/content.ts';
import type { Refused } from '../../txn/participant.ts';
import { beyondLimit } from '../../txn/participant.ts';
import type { Origin, Piece } from '../../txn/piece.ts';
import type { Tally } from '../../txn/tally.ts';
import type { Spill } from './spill.ts';

export interface TransactionLimits {
  /** of one transaction */
  maxRecords: number;
  /** of one transaction, wherever they are */
  maxBytes: number;
  /** from its beginning on */
  openMs: number;
  /** how many may be open at once */
  openMax: number;
  /** of all of them together, in memory */
  openBytes: number;
  /** how much of the chain of one is computed again (`txn/content.ts`) */
  chainWords: number;
}

export const TRANSACTION_LIMITS: TransactionLimits = {
  maxRecords: TXN_MAX_RECORDS,
  maxBytes: TXN_MAX_BYTES,
  openMs: TXN_OPEN_MS,
  openMax: TXN_OPEN_MAX,
  openBytes: TXN_OPEN_BYTES,
  chainWords: TXN_CHAIN_WORDS,
};

/** Whose transactions: a copy's writer, and the stream in which it ends. */
export interface TransactionWriter {
  /** scope/name */
  stream: string;
  /** `source store/incarnation/base` */
  writer: string;
}

export interface OpenTransaction extends TransactionWriter {
  owner: number;
  epoch: number;
  begunMs: number;
  tally: Tally;
  content: Content;
  /** by writer: the one run of it that may be here, in the order of their indexes */
  origins: Map<string, { origin: Origin; firstSeq: number; index: number }>;
  /** those that are in memory, and their bytes */
  pieces: Piece[];
  heldBytes: number;
  /** those before them */
  spill: Spill | undefined;
}

/** Of so many that have ended it is known why. */
const ENDED_MAX = 256;

export class OpenTransactions {
  readonly #limits: TransactionLimits;
  readonly #clock: Clock;
  readonly #open = new Map<string, OpenTransaction>();
  /** why, in the order of their ends */
  readonly #ended = new Map<string, string>();

  constructor(limits: TransactionLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** @throws Refused REJECTED where as many are open as may be */
  checkRoom(): void {
    const { openMax } = this.#limits;
    if (this.#open.size < openMax) return;
    throw beyondLimit(`${openMax} transactions are open, the most there may be`);
  }

  /** @throws Refused REJECTED where all of them would hold more in memory than they may */
  checkMemory(bytes: number): void {
    const { openBytes } = this.#limits;
    const held = [...this.#open.values()].reduce((sum, { heldBytes }) => sum + heldBytes, 0);
    if (held + bytes <= openBytes) return;
    throw beyondLimit(`open transactions hold at most ${openBytes} bytes in memory`);
  }

  add(txn: string, open: Omit<OpenTransaction, 'begunMs'>): void {
    this.#open.set(txn, { ...open, begunMs: monotonicMs(this.#clock) });
  }

  get(txn: string): OpenTransaction | undefined {
    return this.#open.get(txn);
  }

  /** What who asks for it is told, if it is not open. */
  aborted(txn: string): Refused['outcome'] {
    const message = this.#ended.get(txn);
    return { kind: 'ABORTED', ...(message !== undefined && { message }) };
  }

  /** It is not open any more, and what it holds is the caller's. */
  take(txn: string): void {
    this.#open.delete(txn);
  }

  /** @param why undefined: who ends it knows */
  end(txn: string, why?: string): void {
    const open = this.#open.get(txn);
    if (open === undefined) return;
    this.#open.delete(txn);
    open.spill?.drop();
    if (why === undefined) return;
    this.#ended.set(txn, why);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(oldest!);
  }

  endAll(why: string, isMeant: (open: OpenTransaction) => boolean): void {
    for (const [txn, open] of this.#open) if (isMeant(open)) this.end(txn, why);
  }

  /** Ends what is older than a transaction may be. */
  expire(): void {
    const { openMs } = this.#limits;
    const oldestMs = monotonicMs(this.#clock) - openMs;
    const why = `the transaction has been open for more than ${lengthOfTime(openMs)}`;
    this.endAll(why, ({ begunMs }) => begunMs < oldestMs);
  }
}

function lengthOfTime(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
