/**
 * The recorder's side of the control socket, on the main thread: it answers what the recorder
 * itself knows, and hands on what changes the store to the writer worker.
 */
import { HelicorderError } from '../base/errors.ts';
import { encodeReport, failureOf, type Answer, type Request } from '../control/protocol.ts';
import { ControlClient } from '../control/client.ts';
import { ControlServer, type ControlHandler } from '../control/server.ts';
import { storePaths } from '../store/log/files.ts';
import type { ToWriter } from '../threads/protocol.ts';

export interface RecorderControlOptions {
  dataDir: string;
  /** messages to the writer worker; buffers in `transfer` are given away */
  tell: (message: ToWriter, transfer: ArrayBuffer[]) => void;
  status: () => object;
  /** @throws CONFIG, with nothing changed */
  reload: () => Promise<object>;
  /** Ends, for a recorder that wants the store. @returns false if this one records itself */
  yield: () => boolean;
}

type GiveAnswer = (answer: Answer, payload?: Uint8Array) => void;

export class RecorderControl implements ControlHandler {
  readonly #options: RecorderControlOptions;
  readonly #asked = new Map<number, GiveAnswer>();
  #nextKey = 0;
  #server: ControlServer | undefined;
  #attempt: Promise<void> | undefined;
  #problem: HelicorderError | undefined;

  constructor(options: RecorderControlOptions) {
    this.#options = options;
  }

  /** Why others are not served; undefined: they are. */
  get problem(): HelicorderError | undefined {
    return this.#problem;
  }

  /** Begins to serve, if a socket can be made there: recording goes on without one. */
  async serve(): Promise<void> {
    this.#attempt ??= this.#listen().finally(() => (this.#attempt = undefined));
    await this.#attempt;
  }

  async #listen(): Promise<void> {
    try {
      this.#server = await ControlServer.listen(storePaths(this.#options.dataDir).control, this);
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof HelicorderError)) throw error;
      this.#problem = error;
    }
  }

  request(connection: number, request: Request, payload: Uint8Array, answer: GiveAnswer): void {
    if (request.type === 'status') {
      return answer({ type: 'report' }, encodeReport(this.#options.status()));
    }
    if (request.type === 'reload') {
      void this.#options.reload().then(
        (changes) => answer({ type: 'report' }, encodeReport(changes)),
        (error: unknown) => answer(failureOf(error)),
      );
      return;
    }
    if (request.type === 'yield') return answer(this.#yield());
    const key = this.#nextKey++;
    this.#asked.set(key, answer);
    const message = { type: 'request', connection, key, request, payload } as const;
    this.#options.tell(message, [payload.buffer as ArrayBuffer]);
  }

  #yield(): Answer {
    if (this.#options.yield()) return { type: 'done' };
    return failureOf(new HelicorderError('STORE_IN_USE', 'the owner of the store records'));
  }

  gone(connection: number): void {
    this.#options.tell({ type: 'gone', connection }, []);
  }

  /** The writer worker has answered. */
  answered(key: number, answer: Answer): void {
    this.#asked.get(key)?.(answer);
    this.#asked.delete(key);
  }

  tellWaiting(message: string): void {
    this.#server?.tellWaiting(message);
  }

  /** Before the writer worker is told to stop: what was asked is answered first. */
  async close(): Promise<void> {
    await this.#attempt;
    await this.#server?.close();
  }

  /** The writer worker answers no more. */
  async abandon(): Promise<void> {
    await this.#attempt;
    await this.#server?.close(0);
  }
}

/**
 * Asks the owner of a store to make room for a recorder: one that only keeps it, for a copy, does.
 * @returns whether it has gone or may go yet: it did so, or serves nobody right now, as one does
 *   that begins or ends. false: it records, and will not
 */
export async function askToYield(dataDir: string): Promise<boolean> {
  try {
    const client = await ControlClient.connect(storePaths(dataDir).control);
    if (client === undefined) return true;
    await client.ask({ type: 'yield' }, 'done');
    await client.ended.catch(() => undefined);
    return true;
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    return error.code === 'OWNER_BUSY' || error.code === 'DISCONNECTED';
  }
}
