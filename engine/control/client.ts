/** The client's end of the control socket: connects, asks, and hears the replies in any order. */
import { createConnection, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { CONTROL_CONNECT_MS } from '../base/constants.ts';
import { HelicorderError, errnoCode, isCode } from '../base/errors.ts';
import { withSocketPath } from '../files/socket-path.ts';
import { FrameDecoder, encodeFrame, protocolError, type Frame } from './frame.ts';
import {
  CONTROL_OLDEST_VERSION,
  CONTROL_PROTOCOL,
  CONTROL_VERSION,
  encodeHead,
  errorOf,
  parseReply,
  parseReport,
  type Question,
  type Reply,
} from './protocol.ts';

type ReplyTo<T extends Reply['type']> = Extract<Reply, { type: T }>;

interface Asked {
  types: readonly Reply['type'][];
  resolve: (frame: { reply: Reply; frame: Frame }) => void;
  reject: (error: HelicorderError) => void;
}

/** The file is there, but whoever listened has gone; or it is not there; or not a socket. */
const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ENOTSOCK', 'EPROTOTYPE']);
const RETRY_MS = 20;

export class ControlClient {
  /** rejects when the connection has ended, with the reason; never resolves */
  readonly ended: Promise<never>;
  #rejectEnded!: (error: HelicorderError) => void;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #asked = new Map<number, Asked>();
  readonly #onWaiting: (message: string) => void;
  #greeting: { resolve: () => void; reject: (error: HelicorderError) => void } | undefined;
  #version = CONTROL_VERSION;
  #nextId = 0;
  #end: HelicorderError | undefined;

  private constructor(socket: Socket, onWaiting: (message: string) => void) {
    this.#socket = socket;
    this.#onWaiting = onWaiting;
    this.ended = new Promise((_, reject) => (this.#rejectEnded = reject));
    this.ended.catch(() => undefined);
  }

  /** Of the protocol, as both sides know it. */
  get version(): number {
    return this.#version;
  }

  /**
   * An owner that is older than this client is asked in its own words.
   * @param onWaiting is told when the owner waits for space
   * @returns undefined if nobody listens at `path`
   * @throws OWNER_BUSY, PROTOCOL, READ_ONLY for a socket of another user
   */
  static async connect(
    path: string,
    onWaiting: (message: string) => void = () => undefined,
  ): Promise<ControlClient | undefined> {
    for (let version = CONTROL_VERSION; ; version--) {
      const socket = await connected(path);
      if (socket === undefined) return undefined;
      const client = new ControlClient(socket, onWaiting);
      try {
        await client.#greet(path, version);
        return client;
      } catch (error) {
        client.close();
        if (!isCode(error, 'PROTOCOL') || version === CONTROL_OLDEST_VERSION) throw error;
      }
    }
  }

  async #greet(path: string, version: number): Promise<void> {
    this.#version = version;
    const greeted = new Promise<void>((resolve, reject) => {
      this.#greeting = { resolve, reject };
    });
    this.#socket.on('data', (bytes: Buffer) => this.#hear(bytes));
    this.#socket.on('error', () => this.#ended());
    this.#socket.on('close', () => this.#ended());
    const deadline = setTimeout(() => {
      this.#fail(
        new HelicorderError(
          'OWNER_BUSY',
          `another process owns ${dirname(path)} and does not answer`,
        ),
      );
    }, CONTROL_CONNECT_MS);
    const hello = { type: 'hello', protocol: CONTROL_PROTOCOL, version };
    this.#socket.write(encodeFrame(hello));
    try {
      await greeted;
    } finally {
      clearTimeout(deadline);
    }
  }

  /**
   * Asks for something; requests of one client are served in their order. Resolves with the reply,
   * which says that it is durable.
   * @throws what the owner refused it with; DISCONNECTED if it went without answering
   */
  async ask<T extends Reply['type']>(
    question: Question,
    expected: T | readonly T[],
    payload?: Uint8Array,
  ): Promise<ReplyTo<T>> {
    const types = typeof expected === 'string' ? [expected] : expected;
    return (await this.#ask(question, types, payload)).reply as ReplyTo<T>;
  }

  /** Asks for a report. */
  async report(question: Question): Promise<unknown> {
    return parseReport((await this.#ask(question, ['report'])).frame);
  }

  #ask(
    question: Question,
    types: readonly Reply['type'][],
    payload?: Uint8Array,
  ): Promise<{ reply: Reply; frame: Frame }> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { types, resolve, reject });
      this.#socket.write(encodeFrame(encodeHead({ ...question, id }), payload));
    });
  }

  close(): void {
    this.#fail(new HelicorderError('DISCONNECTED', 'the connection was closed'));
  }

  #hear(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
    try {
      for (;;) {
        const frame = this.#decoder.next();
        if (frame) this.#take(frame);
        else if (this.#decoder.wanted === 0) return;
        else this.#decoder.admit();
      }
    } catch (error) {
      this.#fail(error instanceof HelicorderError ? error : protocolError(String(error), error));
    }
  }

  #take(frame: Frame): void {
    const reply = parseReply(frame);
    if (reply.type === 'waiting') return this.#onWaiting(reply.message);
    if (reply.type === 'closing') {
      return this.#fail(new HelicorderError('DISCONNECTED', 'the owner of the store has ended'));
    }
    if (reply.type === 'hello') {
      this.#version = Math.min(this.#version, reply.version);
      this.#greeting?.resolve();
      this.#greeting = undefined;
      return;
    }
    if (reply.id === null) return this.#fail(errorOf(reply as ReplyTo<'failed'>));
    const asked = this.#asked.get(reply.id);
    if (asked === undefined) throw protocolError(`an answer to ${reply.id}, which nobody asked`);
    this.#asked.delete(reply.id);
    if (reply.type === 'failed') asked.reject(errorOf(reply));
    else if (asked.types.includes(reply.type)) asked.resolve({ reply, frame });
    else asked.reject(protocolError(`${reply.type} where ${asked.types[0]} was expected`));
  }

  #ended(): void {
    if (this.#greeting) {
      return this.#fail(new HelicorderError('OWNER_BUSY', 'the owner of the store hung up'));
    }
    this.#fail(new HelicorderError('DISCONNECTED', 'the owner of the store has gone'));
  }

  #fail(error: HelicorderError): void {
    if (this.#end) return;
    this.#end = error;
    this.#rejectEnded(error);
    this.#socket.destroy();
    this.#greeting?.reject(error);
    this.#greeting = undefined;
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}

/** A full line of those who wait to be let in is a passing thing. */
async function connected(path: string): Promise<Socket | undefined> {
  const deadline = monotonicMs() + CONTROL_CONNECT_MS;
  for (;;) {
    try {
      return await attempt(path);
    } catch (error) {
      const errno = errnoCode(error) ?? String(error);
      if (NOBODY_LISTENS.has(errno)) return undefined;
      if (errno === 'EACCES' || errno === 'EPERM') {
        const message = `${path} belongs to another user: ${errno}`;
        throw new HelicorderError('READ_ONLY', message, { cause: error });
      }
      if (errno !== 'EAGAIN' || monotonicMs() > deadline) {
        throw new HelicorderError('OWNER_BUSY', `cannot connect to ${path}: ${errno}`, {
          cause: error,
        });
      }
      await sleep(RETRY_MS);
    }
  }
}

function attempt(path: string): Promise<Socket> {
  const trial = withSocketPath(path, (reachable) => {
    const socket = createConnection({ path: reachable });
    return new Promise<Socket>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(socket);
      });
    });
  });
  const missing = Object.assign(new Error('no such directory'), { code: 'ENOENT' });
  return trial ?? Promise.reject(missing);
}
