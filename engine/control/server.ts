/**
 * The control socket: how other processes change a store that has an owner.
 *
 *   client ═ DIR/control ═▶ ControlServer ─▶ Connection ─▶ handler ─▶ the thread that owns the log
 *   client ◀══════════════  replies, once durable  ◀──────────────────────────┘
 *
 * Constraints
 *   * A store has one owner: the process that holds DIR/lock. Whoever wants to change it from
 *     outside asks the owner, here; when there is none, it takes the lock and does it itself
 *     (`tools/change.ts`). Reading asks nobody: readers read the log.
 *   * Nothing that a client does or leaves undone harms the owner. It may send half a message, a
 *     length of 1 GiB, garbage, a byte a second, or nothing; never read; come a thousand times at
 *     once; be killed anywhere. So memory, descriptors and times are bounded, per client and in
 *     sum, and the threads that sample and write have no part in it.
 *   * A reply says what is durable. A request whose connection ended without a reply may have been
 *     done or not; a producer learns which from `lastSeq` when it opens its writer again.
 *
 * Parts, in the order that bytes take
 *   frame.ts        pieces of bytes → frames; memory is taken once, when there is room for a frame
 *   protocol.ts     frames → messages, by schema; versions 1 and 2
 *   connection.ts   one client: order, back-pressure, times
 *   budget.ts       the memory that clients share; large frames wait in line for it
 *   server.ts       the socket, the number of clients, the watch over their times
 *   service.ts      requests that change the store, on the thread that owns the log: those of many
 *                   clients share a group, writers are fenced, the runs of the gone are ended
 *   client.ts       the other end
 *
 * Memory: each connection has 64 KiB of its own for requests, so that small ones pass while large
 * ones queue; all of them share 32 MiB. Room is held from the announcement of a frame until its
 * request is answered: the queue of the writer thread lies within it. A frame without room is left
 * in the kernel, which stops its sender; one with room must come within 30 s, so that the line
 * moves. What a client does not read of its replies stops us reading from it.
 *
 * The socket is made in DIR/control.new (mode 0700) and renamed to DIR/control: it replaces what a
 * killed owner left, and nobody ever meets a socket with the wrong mode. It is removed before the
 * owner lets go of the lock, so one that is there either answers or belongs to nobody.
 *
 * One watch, once a second, looks at all connections; no timer per request. This file and client.ts
 * are the home of node:net (`selftest/relay.ts` stands between the two).
 */
import { createServer, type Server, type Socket } from 'node:net';
import { monotonicMs } from '../base/clock.ts';
import * as limits from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { SocketPath } from '../files/socket-path.ts';
import { Budget } from './budget.ts';
import { Connection, type ControlLimits } from './connection.ts';
import { encodeFrame } from './frame.ts';
import { encodeHead, failureOf, short, type Answer, type Request } from './protocol.ts';

export interface ControlHandler {
  /**
   * Called in the order in which a client asks. `answer` is called once, at any time; the payload
   * belongs to the handler.
   */
  request(
    connection: number,
    request: Request,
    payload: Uint8Array,
    answer: (answer: Answer, payload?: Uint8Array) => void,
  ): void;
  /** The client has gone: what it held is to be ended. */
  gone(connection: number): void;
}

export const CONTROL_LIMITS: ControlLimits = {
  connections: limits.CONTROL_CONNECTIONS_MAX,
  requests: limits.CONTROL_REQUESTS_MAX,
  ownBytes: limits.CONTROL_OWN_BYTES,
  sharedBytes: limits.CONTROL_SHARED_BYTES,
  unreadBytes: limits.CONTROL_UNREAD_BYTES,
  helloMs: limits.CONTROL_HELLO_MS,
  frameMs: limits.CONTROL_FRAME_MS,
  unreadMs: limits.CONTROL_UNREAD_MS,
  idleMs: limits.CONTROL_IDLE_MS,
  closeMs: limits.CONTROL_CLOSE_MS,
};

/** Refused politely, beyond those served; who comes on top is closed without a word. */
const REFUSALS_MAX = 64;
const WATCH_MS = 1000;

export class ControlServer {
  readonly #handler: ControlHandler;
  readonly #limits: ControlLimits;
  readonly #shared: Budget;
  readonly #path: SocketPath;
  readonly #server: Server;
  readonly #connections = new Map<number, Connection>();
  readonly #refused = new Set<Socket>();
  #nextConnection = 1;
  #watch: NodeJS.Timeout | undefined;

  private constructor(path: string, handler: ControlHandler, limits: ControlLimits) {
    this.#handler = handler;
    this.#limits = limits;
    this.#shared = new Budget(limits.sharedBytes);
    this.#path = new SocketPath(path);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = limits.connections + REFUSALS_MAX;
  }

  /**
   * Serves at `path`, where any process of this user can connect from now on. The caller owns the
   * store. @throws HelicorderError STORE_IO, READ_ONLY, NO_SPACE where no socket can be made
   */
  static async listen(
    path: string,
    handler: ControlHandler,
    limits: ControlLimits = CONTROL_LIMITS,
  ): Promise<ControlServer> {
    const server = new ControlServer(path, handler, limits);
    await server.#path.publish((bindPath) => listening(server.#server, bindPath));
    server.#watch = setInterval(() => server.#cutOverdue(), Math.min(WATCH_MS, limits.frameMs));
    server.#watch.unref();
    return server;
  }

  /** Clients served now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes of the shared memory that are taken. */
  get sharedBytes(): number {
    return this.#limits.sharedBytes - this.#shared.free;
  }

  /** Tells all clients that are waiting for an answer why it does not come. */
  tellWaiting(message: string): void {
    for (const connection of this.#connections.values()) {
      if (connection.unanswered > 0) connection.send({ type: 'waiting', message: short(message) });
    }
  }

  /** Takes the socket away, answers what it has taken as far as that is done in time, and ends. */
  async close(patienceMs = this.#limits.closeMs): Promise<void> {
    clearInterval(this.#watch);
    this.#path.remove();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const cut = setTimeout(() => this.#cutAll(), patienceMs);
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()));
    clearTimeout(cut);
    this.#cutAll();
    await closed;
    this.#path.close();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections) return this.#refuse(socket);
    const number = this.#nextConnection++;
    const events = {
      request: (
        request: Request,
        payload: Uint8Array,
        answer: (answer: Answer, payload?: Uint8Array) => void,
      ) => this.#handler.request(number, request, payload, answer),
      closed: () => {
        this.#connections.delete(number);
        this.#handler.gone(number);
      },
    };
    const connection = new Connection(socket, this.#shared, this.#limits, events, monotonicMs());
    this.#connections.set(number, connection);
  }

  #refuse(socket: Socket): void {
    const message = `${this.#limits.connections} other processes are connected to this store`;
    const failure = failureOf(new HelicorderError('OWNER_BUSY', message));
    this.#refused.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#refused.delete(socket));
    socket.end(encodeFrame(encodeHead({ ...failure, id: null })), () => socket.destroy());
  }

  #cutOverdue(): void {
    const nowMs = monotonicMs();
    for (const connection of this.#connections.values()) {
      if (connection.isOverdue(nowMs)) connection.cut();
    }
  }

  #cutAll(): void {
    for (const connection of this.#connections.values()) connection.cut();
    for (const socket of this.#refused) socket.destroy();
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // a failed accept (too many files open) is that client's loss
      server.on('error', () => undefined);
      resolve();
    });
  });
}
