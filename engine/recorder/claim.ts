/**
 * Who owns a store that several want: recording comes first. One that only keeps it, for a copy,
 * makes room for a recorder that asks, and does not begin where one has a claim to it
 * (`engine/store/write/lock.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { errnoCode, isCode } from '../base/errors.ts';
import type { Lock } from '../files/file-system.ts';
import { claimStore, inUse, isClaimed } from '../store/write/lock.ts';
import { systemEnvironment } from '../store/store.ts';
import { askToYield } from './control.ts';

/** Those who look whether it is claimed hold it for less than a step. */
const STEP_MS = 20;
const STEPS = 50;

/**
 * How long a recorder goes on asking those who only keep its store to make room: one that has just
 * begun to needs a while before it can be asked, on a machine that is busy.
 */
const YIELD_WAIT_MS = 20_000;

/**
 * @param isKeeper it would only keep the store
 * @param start opens it; may be called again
 * @throws what `start` throws; STORE_IN_USE
 */
export async function asOwner<T>(
  dataDir: string,
  isKeeper: boolean,
  start: () => Promise<T>,
): Promise<T> {
  if (isKeeper) {
    if (isClaimed(dataDir, systemEnvironment.fs)) throw inUse(dataDir);
    return start();
  }
  const claim = await claimed(dataDir);
  try {
    return await whereAskedFor(dataDir, start);
  } finally {
    claim?.release();
  }
}

async function whereAskedFor<T>(dataDir: string, start: () => Promise<T>): Promise<T> {
  const deadlineMs = monotonicMs() + YIELD_WAIT_MS;
  // a worker that has to wait for the lock would do so in vain
  await askToYield(dataDir);
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!isCode(error, 'STORE_IN_USE') || monotonicMs() > deadlineMs) throw error;
      if (!(await askToYield(dataDir))) throw error;
    }
  }
}

/**
 * Held by a recorder until it owns the store.
 * @returns undefined if it is another recorder's, if there is no store, or none can be written
 */
async function claimed(dataDir: string): Promise<Lock | undefined> {
  const { fs } = systemEnvironment;
  for (let step = 0; step < STEPS && fs.exists(dataDir); step++) {
    try {
      const claim = claimStore(dataDir, fs);
      if (claim) return claim;
    } catch (error) {
      // opening the store will say what is wrong
      if (errnoCode(error) === undefined) throw error;
      return undefined;
    }
    await sleep(STEP_MS);
  }
  return undefined;
}
