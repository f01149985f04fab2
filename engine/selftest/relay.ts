/**
 * Takes the place of an owner's control socket, hands on what goes to and fro, and cuts each
 * connection after some bytes: in the middle of a request, before a reply, or behind it. Owner and
 * client run on, and see what they would see if the other one had died.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { SocketPath, moveSocket, withSocketPath } from '../files/socket-path.ts';
import { storePaths } from '../store/log/files.ts';
import type { Chance } from './chance.ts';

/**
 * A connection is cut within so many bytes: of its requests, which carry records, or of its
 * replies. Most get through a commit; behind one a copy waits only for a moment to connect again.
 */
const REQUEST_BYTES = 16 * 1024;
const REPLY_BYTES = 1024;

export class Relay {
  /** connections that were cut */
  cuts = 0;
  readonly #path: string;
  readonly #place: SocketPath;
  /** where the owner's socket is meanwhile */
  readonly #owner: string;
  readonly #chance: Chance;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(dir: string, owner: string, chance: Chance) {
    this.#path = storePaths(dir).control;
    this.#place = new SocketPath(this.#path);
    this.#owner = owner;
    this.#chance = chance;
    this.#server = createServer((client) => this.#accept(client));
  }

  /**
   * Clients of the store in `dir` that connect from now on come here. Its owner has to serve by
   * then; when it ends it removes what it takes for its socket.
   * @param owner a path for the owner's socket, on the same file system
   */
  static async before(dir: string, owner: string, chance: Chance): Promise<Relay> {
    const relay = new Relay(dir, owner, chance);
    moveSocket(relay.#path, owner);
    await relay.#place.publish((path) => listening(relay.#server, path));
    return relay;
  }

  /** Cuts what is left, and gives the owner its socket back. */
  async close(): Promise<void> {
    moveSocket(this.#owner, this.#path);
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#place.close();
  }

  #accept(client: Socket): void {
    const owner = withSocketPath(this.#owner, (path) => createConnection(path))!;
    const cut = (): void => {
      this.cuts++;
      client.destroy();
    };
    this.#keep(client, owner);
    this.#keep(owner, client);
    const isRequest = this.#chance.below(2) === 0;
    handOn(client, owner, isRequest ? this.#within(REQUEST_BYTES) : Infinity, cut);
    handOn(owner, client, isRequest ? Infinity : this.#within(REPLY_BYTES), cut);
  }

  #within(bytes: number): number {
    return 1 + this.#chance.below(bytes);
  }

  /** Where one end is closed, so is the other. */
  #keep(socket: Socket, other: Socket): void {
    this.#sockets.add(socket);
    // a broken pipe: its close follows
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      other.destroy();
    });
  }
}

/** @param limit bytes, behind which it calls `cut` and hands on no more */
function handOn(from: Socket, to: Socket, limit: number, cut: () => void): void {
  let left = limit;
  from.on('data', (bytes: Buffer) => {
    if (left === 0) return;
    const piece = bytes.subarray(0, left);
    left -= piece.length;
    if (left === 0) return to.write(piece, cut);
    if (to.write(piece)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
