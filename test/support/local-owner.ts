/**
 * The owner of a store in the test's own thread: requests reach its service without a socket, and a
 * test says which of them, or which of their replies, get lost. With `listen()` it serves other
 * processes as a recorder would.
 */
import { HelicorderError } from '../../engine/base/errors.ts';
import {
  CONTROL_VERSION,
  errorOf,
  type Answer,
  type Question,
} from '../../engine/control/protocol.ts';
import { ControlServer } from '../../engine/control/server.ts';
import { ControlService, type StoreRequest } from '../../engine/control/service.ts';
import type { TransactionLimits } from '../../engine/store/write/open-transactions.ts';
import { systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import { storePaths } from '../../engine/store/log/files.ts';
import { originRun } from '../../engine/store/entries/control-entries.ts';
import { StoreReader } from '../../engine/store/read/reader.ts';
import { StreamReader } from '../../engine/store/read/stream-reader.ts';
import type { StoreWriter } from '../../engine/store/write/writer.ts';
import type { Requests } from '../../engine/targets/store-participant.ts';
import { cutPiece, pieceOf } from '../../engine/targets/pieces.ts';
import { decodePieces, encodePieces } from '../../engine/txn/piece-format.ts';
import { endOf, type Piece } from '../../engine/txn/piece.ts';
import { recordTexts } from './pieces.ts';
import { openWriter } from './stores.ts';

/** What happens to a request: its kind decides whether it, or its reply, is lost. */
export type Fate = 'served' | 'lost' | 'reply lost';

export class LocalOwner {
  readonly dir: string;
  /** asked for every request */
  fate: (type: string) => Fate = () => 'served';
  /** what becomes of a piece on its way here */
  onArrival: ((piece: Piece) => Piece) | undefined;
  /** of the protocol: 1 is an older owner */
  version = CONTROL_VERSION;
  readonly #environment: StoreEnvironment;
  #writer: StoreWriter;
  #service!: ControlService;
  readonly #answers: Answer[] = [];
  readonly #transactionLimits: Partial<TransactionLimits>;
  #keys = 0;
  #connections = 0;

  /** @param environment may name options of the writer, such as `spillBytes` */
  constructor(
    dir: string,
    segmentBytes?: number,
    environment = systemEnvironment,
    transactionLimits: Partial<TransactionLimits> = {},
  ) {
    this.#transactionLimits = transactionLimits;
    this.dir = dir;
    this.#environment = environment;
    this.#writer = openWriter(dir, segmentBytes, environment);
    this.#serve();
  }

  get writer(): StoreWriter {
    return this.#writer;
  }

  #serve(): void {
    const environment = { ...this.#environment, transactionLimits: this.#transactionLimits };
    this.#service = new ControlService(this.#writer, environment, {
      answer: (key, answer) => (this.#answers[key] = answer),
      waiting: () => undefined,
    });
  }

  /** The owner dies and another one comes: what was open is gone. */
  restart(): void {
    this.#writer.abandon();
    this.#writer = openWriter(this.dir, undefined, this.#environment);
    this.#serve();
  }

  close(): void {
    this.#service.close();
    this.#writer.close();
  }

  /** @returns what takes the socket away */
  async listen(): Promise<() => Promise<void>> {
    // not the numbers of those that connect without a socket
    const numbered = (connection: number): number => -connection;
    const server = await ControlServer.listen(storePaths(this.dir).control, {
      request: (connection, request, payload, answer) =>
        answer(this.#ask(numbered(connection), request, payload)),
      gone: (connection) => this.#service.gone(numbered(connection)),
    });
    return () => server.close();
  }

  connect(): Requests & { close: () => Promise<void> } {
    let connection = ++this.#connections;
    const ask = async (question: Question, _: unknown, payload = new Uint8Array(0)) => {
      const fate = this.fate(question.type);
      const answer = fate === 'lost' ? undefined : this.#ask(connection, question, payload);
      if (fate !== 'served' || answer === undefined) {
        throw new HelicorderError('DISCONNECTED', `the ${question.type} was ${fate}`);
      }
      if (answer.type === 'failed') throw errorOf(answer);
      return { ...answer, id: 0 };
    };
    const connected = () => ({ ask: ask as never, version: this.version });
    let client = connected();
    const drop = (): void => {
      this.#service.gone(connection);
      connection = ++this.#connections;
      client = connected();
    };
    return { client: () => Promise.resolve(client), drop, close: () => Promise.resolve(drop()) };
  }

  #ask(connection: number, question: Question, payload: Uint8Array): Answer {
    const key = this.#keys++;
    const isChanged = question.type === 'txn-append' && this.onArrival !== undefined;
    const arrived = isChanged ? encodePieces(decodePieces(payload).map(this.onArrival!)) : payload;
    this.#service.submit(connection, key, { ...question, id: 0 } as StoreRequest, arrived.slice());
    while (this.#service.serve());
    return this.#answers[key]!;
  }
}

/**
 * Every record of a stream from an offset on, with all that a reader can learn of it; none if it is
 * not there.
 */
export async function recordsOf(dir: string, name: string, first = 0): Promise<string[]> {
  const reader = StoreReader.open(dir, systemEnvironment);
  const stream = reader.state.streamNamed(name);
  const texts: string[] = [];
  let next = first + 1;
  if (stream === undefined) return texts;
  for await (const found of new StreamReader(reader, stream.id, first).raw()) {
    // what it took follows as a gap
    if (found.kind === 'fault') continue;
    const { run, schema } = found.info;
    const whole = pieceOf(found, { ...run, run: originRun(run), schema }, 0);
    const from = Math.max(0, Math.max(first, found.from) - (whole.lo - 1));
    if (from >= whole.seqs) continue;
    const piece = from > 0 ? cutPiece(whole, from, whole.seqs) : whole;
    if (piece.lo !== next) throw new Error(`a hole before offset ${piece.lo - 1}`);
    next = endOf(piece);
    texts.push(...recordTexts(piece));
  }
  reader.close();
  return texts;
}
