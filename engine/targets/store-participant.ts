/**
 * A store as the end of a copy, seen from the copier: each call is a request to the store's owner,
 * which decides by the rules (`store/write/transactions.ts`). Pieces are gathered and sent in
 * frames.
 *
 * A request that is given up takes its connection with it: what the owner still does of it is then
 * over before anything is asked through the next one, or refused by its epoch.
 */
import { defined } from '../base/assert.ts';
import { CONTROL_OWN_BYTES, GROUP_TARGET_BYTES } from '../base/constants.ts';
import { canonicalSchema, type Schema } from '../batch/schema.ts';
import type { ControlClient } from '../control/client.ts';
import { PREPARED_VERSION, type Question, type Reply } from '../control/protocol.ts';
import { Content, type Prepared } from '../txn/content.ts';
import {
  Refused,
  type Capabilities,
  type CommitOutcome,
  type Intent,
  type OpenOutcome,
  type Participant,
  type Position,
  type WriterIdentity,
} from '../txn/participant.ts';
import { encodePieces } from '../txn/piece-format.ts';
import type { Piece } from '../txn/piece.ts';
import { Tally } from '../txn/tally.ts';

type Client = Pick<ControlClient, 'ask'> & Partial<Pick<ControlClient, 'version'>>;
type Refusal = Extract<Reply, { type: 'refused' }>;

/** Where requests go: an `OwnerLink`, or a stand-in of a test; of version 1 if it names none. */
export interface Requests {
  client(): Promise<Client>;
  drop(): void;
}

export interface StoreTarget {
  /** scope/name; made with the first open if there is none */
  stream: string;
  schema: Schema;
  samplesPerEvent: number;
}

interface Gathered {
  tally: Tally;
  /** what has been sent */
  content: Content;
  pieces: Piece[];
  bytes: number;
}

export class StoreParticipant implements Participant {
  readonly #requests: Requests;
  readonly #target: StoreTarget;
  #writer = '';
  /** the target's, once it is opened */
  #limits = { maxBytes: GROUP_TARGET_BYTES, usualBytes: GROUP_TARGET_BYTES };
  readonly #gathered = new Map<string, Gathered>();

  constructor(requests: Requests, target: StoreTarget) {
    this.#requests = requests;
    this.#target = target;
  }

  get capabilities(): Capabilities {
    return { kind: 'position-with-data', maxRecords: Infinity, ...this.#limits };
  }

  async open(
    { store, incarnation, base }: WriterIdentity,
    _intent: Intent | undefined,
    signal: AbortSignal,
  ): Promise<OpenOutcome> {
    const { stream, samplesPerEvent, schema } = this.#target;
    this.#writer = `${store}/${incarnation}/${base}`;
    this.#gathered.clear();
    const question = { type: 'txn-open', stream, writer: this.#writer, samplesPerEvent } as const;
    const payload = new TextEncoder().encode(canonicalSchema(schema));
    const answer = await this.#ask(question, 'position', signal, { payload });
    const { epoch, last, chain, groupLimit } = answer;
    // an older owner has none
    const { transactionLimit = groupLimit } = answer;
    this.#limits = { maxBytes: transactionLimit, usualBytes: groupLimit };
    return { kind: 'OPENED', epoch, last, chain };
  }

  async position(epoch: number, signal: AbortSignal): Promise<Position> {
    const question = { type: 'txn-position', ...this.#copy(), epoch } as const;
    const { last, chain } = await this.#ask(question, 'position', signal);
    return { epoch, last, chain };
  }

  async begin(epoch: number, lo: number, signal: AbortSignal): Promise<string> {
    const question = { type: 'txn-begin', ...this.#copy(), epoch, lo } as const;
    const { txn } = await this.#ask(question, 'begun', signal);
    const tally = new Tally(lo, { ...this.capabilities });
    this.#gathered.set(txn, { tally, content: new Content(0n, 0), pieces: [], bytes: 0 });
    return txn;
  }

  async append(txn: string, piece: Piece, signal: AbortSignal): Promise<void> {
    const gathered = this.#gathered.get(txn);
    if (gathered === undefined) throw new Refused({ kind: 'ABORTED' });
    gathered.tally.add(piece);
    gathered.pieces.push(piece);
    gathered.bytes += piece.bytes;
    if (gathered.bytes >= CONTROL_OWN_BYTES) await this.#send(txn, gathered, signal);
  }

  async flush(txn: string, signal: AbortSignal): Promise<void> {
    const gathered = this.#gathered.get(txn);
    if (gathered && gathered.pieces.length > 0) await this.#send(txn, gathered, signal);
    const client = await this.#requests.client();
    const isTold = gathered && (client.version ?? 1) >= PREPARED_VERSION;
    const question = { type: 'txn-flush', txn, ...(isTold && preparedOf(gathered)) } as const;
    await this.#ask(question, 'done', signal, { client });
  }

  async commit(epoch: number, { txn, range }: Intent, signal: AbortSignal): Promise<CommitOutcome> {
    const named = { epoch, txn: defined(txn, 'the transaction'), ...range };
    this.#gathered.delete(named.txn);
    try {
      const question = { type: 'txn-commit', ...this.#copy(), ...named } as const;
      const { firstOffset, endOffset } = await this.#ask(question, 'committed', signal);
      return { kind: 'COMMITTED', firstOffset, endOffset };
    } catch (error) {
      if (error instanceof Refused) return error.outcome;
      throw error;
    }
  }

  async abort(txn: string): Promise<void> {
    this.#gathered.delete(txn);
    await this.#ask({ type: 'txn-abort', txn }, 'done', new AbortController().signal);
  }

  /** The link is its maker's. */
  async close(): Promise<void> {
    this.#gathered.clear();
  }

  async #send(txn: string, gathered: Gathered, signal: AbortSignal): Promise<void> {
    const payload = encodePieces(gathered.pieces);
    gathered.pieces = [];
    gathered.bytes = 0;
    gathered.content.addBytes(payload);
    await this.#ask({ type: 'txn-append', txn }, 'done', signal, { payload });
  }

  #copy(): { stream: string; writer: string } {
    return { stream: this.#target.stream, writer: this.#writer };
  }

  /** @throws Refused where the owner refuses by rule */
  async #ask<T extends Exclude<Reply['type'], 'refused'>>(
    question: Question,
    expected: T,
    signal: AbortSignal,
    { payload, client }: { payload?: Uint8Array; client?: Client } = {},
  ): Promise<Extract<Reply, { type: T }>> {
    client ??= await this.#requests.client();
    const drop = (): void => this.#requests.drop();
    signal.addEventListener('abort', drop, { once: true });
    try {
      const reply = await client.ask<T | 'refused'>(question, [expected, 'refused'], payload);
      if (reply.type === 'refused') throw new Refused(outcomeOf(reply as Refusal));
      return reply as Extract<Reply, { type: T }>;
    } finally {
      signal.removeEventListener('abort', drop);
    }
  }
}

function preparedOf({ tally, content }: Gathered): Prepared {
  return { count: tally.records, crc: content.crc };
}

function outcomeOf({ outcome, reason, message }: Refusal): Refused['outcome'] {
  const told = message === undefined ? {} : { message };
  if (outcome !== 'REJECTED') return { kind: outcome, ...told };
  return { kind: 'REJECTED', reason: defined(reason, 'the reason of a rejection'), ...told };
}
