/**
 * A way to the owner of a store, whoever that is, by its control socket: the recorder that runs
 * there, or one without sources that is begun here for as long as it is needed. So there is one
 * way to change a store, and a copy keeps the store it writes to as a recorder would: served to
 * others, sealed, within its budget.
 *
 * An owner may go at any moment; the next `client()` finds or begins another one. The one begun
 * here makes room for a recorder that wants to start; what else ends it is told once, by the next
 * `client()`. Belongs to one thread.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { HelicorderError } from '../base/errors.ts';
import { ControlClient } from '../control/client.ts';
import { storePaths } from '../store/log/files.ts';
import { isClaimed } from '../store/write/lock.ts';
import { systemEnvironment } from '../store/store.ts';

export interface OwnStore {
  /** resolves at its end, as where it made room for a recorder; rejects with what ended it */
  readonly ended: Promise<unknown>;
  /** why it serves nobody, not even this process; undefined: it does */
  readonly problem: HelicorderError | undefined;
  close(): Promise<void>;
}

export interface OwnerLinkOptions {
  dataDir: string;
  /** becomes the owner in this process. @throws STORE_IN_USE if there is one already */
  own: (dataDir: string) => Promise<OwnStore>;
  /** the owner waits for space, and what it was asked with it */
  onWaiting?: (message: string) => void;
}

const LOOK_AGAIN_MS = 50;
/**
 * In this time an owner that has the lock serves others, also on a machine that is busy, and where
 * one has died before it came to that.
 */
const BEGIN_MS = 30_000;
/** In about this time a recorder that was made room for owns the store. */
const ROOM_MS = 3000;

export class OwnerLink {
  readonly #options: OwnerLinkOptions;
  #client: ControlClient | undefined;
  #own: OwnStore | undefined;
  #isOwn = false;
  #ownFailure: unknown;
  #isWaiting = false;
  /** until then whoever this one made room for comes first */
  #roomUntilMs = 0;
  #connecting: Promise<ControlClient> | undefined;
  #isClosed = false;

  constructor(options: OwnerLinkOptions) {
    this.#options = options;
  }

  /** Is, or was, the last connection to an owner that was begun here? */
  get isOwn(): boolean {
    return this.#isOwn;
  }

  /**
   * The connection, a new one if there is none or the last one has ended.
   * @throws what becoming the owner is refused with, or what has ended the one that was begun here;
   *   STORE_IN_USE if the owner serves nobody; DISCONNECTED once the link is closed
   */
  async client(): Promise<ControlClient> {
    if (this.#client) return this.#client;
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  /** The next `client()` makes a new connection: what the old one still does, ends with it. */
  drop(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  /** @throws what ends the owner begun here, or has ended it since it was last asked for */
  async close(): Promise<void> {
    this.#isClosed = true;
    // the owner that is begun by it is to be closed, too
    await this.#connecting?.catch(() => undefined);
    this.drop();
    const own = this.#own;
    this.#own = undefined;
    await own?.close();
    this.#checkOwn();
  }

  async #connect(): Promise<ControlClient> {
    const { dataDir, onWaiting } = this.#options;
    let deadline = Math.max(monotonicMs(), this.#roomUntilMs) + BEGIN_MS;
    for (;;) {
      if (this.#isClosed) throw new HelicorderError('DISCONNECTED', `${dataDir}: it was let go of`);
      this.#checkOwn();
      // it may have ended by the time that there is a connection
      const isOwn = this.#own !== undefined;
      try {
        const client = await ControlClient.connect(storePaths(dataDir).control, onWaiting);
        if (client) return this.#keep(client, isOwn);
        if (await this.#begin()) continue;
      } catch (error) {
        // the recorder that wants it will serve others, however long it takes to begin
        if (isClaimed(dataDir, systemEnvironment.fs)) deadline = monotonicMs() + BEGIN_MS;
        // what has ended an owner that was begun here is told by the next look
        if (!isPassing(error) || monotonicMs() > deadline) throw error;
      }
      await sleep(LOOK_AGAIN_MS);
    }
  }

  /** Becomes the owner, unless it is, or somebody comes first. @returns true if it did */
  async #begin(): Promise<boolean> {
    const isNotNow = this.#isClosed || monotonicMs() < this.#roomUntilMs;
    if (this.#own !== undefined || isNotNow) return false;
    this.#keepOwn(await this.#options.own(this.#options.dataDir));
    return true;
  }

  /** @throws what has ended the owner begun here, or keeps it from being asked */
  #checkOwn(): void {
    const failure = this.#ownFailure;
    this.#ownFailure = undefined;
    if (failure instanceof Error) throw failure;
    const problem = this.#own?.problem;
    if (problem && problem.code !== 'NO_SPACE') throw problem;
    if (problem && !this.#isWaiting) this.#options.onWaiting?.(problem.message);
    this.#isWaiting = problem !== undefined;
  }

  #keep(client: ControlClient, isOwn: boolean): ControlClient {
    this.#client = client;
    this.#isOwn = isOwn;
    client.ended.catch(() => {
      if (this.#client === client) this.#client = undefined;
    });
    return client;
  }

  #keepOwn(own: OwnStore): void {
    this.#own = own;
    const forget = (): void => {
      if (this.#own === own) this.#own = undefined;
      this.#roomUntilMs = monotonicMs() + ROOM_MS;
    };
    own.ended.then(forget, (error: unknown) => {
      // what close() has to say is told there
      if (this.#own === own) this.#ownFailure = error;
      forget();
    });
  }
}

/**
 * Works with what leads to owners, and closes it. What the work fails with says more than what
 * closing fails with then.
 */
export async function usingLinks<T>(
  links: { close(): Promise<void> },
  work: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await links.close().catch(() => undefined);
    throw error;
  }
  await links.close();
  return result;
}

/**
 * An owner that begins or ends has the lock without the socket, or hangs up; it may also end, to
 * make room for a recorder, instead of its first word.
 */
function isPassing(error: unknown): boolean {
  const passing = ['STORE_IN_USE', 'OWNER_BUSY', 'DISCONNECTED'];
  return error instanceof HelicorderError && passing.includes(error.code);
}

/** The owner has gone, is busy ending, or has no space: that passes. */
export function isOwnerAway(error: unknown): boolean {
  return (
    error instanceof HelicorderError &&
    ['DISCONNECTED', 'OWNER_BUSY', 'NO_SPACE', 'STORE_IN_USE'].includes(error.code)
  );
}
