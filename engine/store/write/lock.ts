/**
 * Who owns a store: the process that holds its exclusive lock.
 *
 * Some only keep a store for a copy or an append, and make room for a recorder. Where there are
 * several, the next of them would be quicker than the recorder, again and again: so a recorder
 * claims the store from its start until it owns it, and those leave it alone as long. The kernel
 * takes a claim back with the process.
 */
import { LOCK_WAIT_MS } from '../../base/constants.ts';
import { HelicorderError } from '../../base/errors.ts';
import type { FileSystem, Lock } from '../../files/file-system.ts';
import { storePaths } from '../log/files.ts';

export interface LockOptions {
  fs: FileSystem;
  pause: (ms: number) => void;
  /** it only keeps the store, and makes room for a recorder */
  isKeeper: boolean;
}

/**
 * The exclusive lock; readers without an owner hold a shared one for moments.
 * @throws STORE_IN_USE, to one that only keeps the store also if it is claimed
 */
export function takeLock(dir: string, { fs, pause, isKeeper }: LockOptions): Lock {
  const path = storePaths(dir).lock;
  const stepMs = 20;
  for (let waitedMs = 0; waitedMs <= LOCK_WAIT_MS; waitedMs += stepMs) {
    const lock = fs.lock(path, true);
    // looked at with the lock in hand: whoever claims it later asks for room
    const isLeft = isKeeper && isClaimed(dir, fs);
    if (lock && !isLeft) return lock;
    lock?.release();
    if (isLeft) break;
    pause(stepMs);
  }
  throw inUse(dir);
}

export function inUse(dir: string): HelicorderError {
  // of this process, perhaps; and a recorder that has claimed the store does not own it yet
  const who = 'a recorder, a copy, a consumer or an appender';
  const message = `somebody else owns the store in ${dir}, or is about to: ${who}`;
  return new HelicorderError('STORE_IN_USE', message, { details: { dir } });
}

/** @returns undefined if somebody looks at it just now, or there is no store to be claimed */
export function claimStore(dir: string, fs: FileSystem): Lock | undefined {
  return fs.exists(dir) ? fs.lock(storePaths(dir).claim, true) : undefined;
}

/** Does a recorder want the store that does not own it yet? */
export function isClaimed(dir: string, fs: FileSystem): boolean {
  const { claim } = storePaths(dir);
  const lock = fs.exists(claim) ? fs.lock(claim, false) : undefined;
  lock?.release();
  return lock === undefined && fs.exists(claim);
}
