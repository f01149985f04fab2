/** The claim to a store that others may keep at the moment (`engine/store/write/lock.ts`). */
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoCode } from '../base/errors.ts';
import type { Lock } from '../files/file-system.ts';
import { claimStore, inUse, isClaimed } from '../store/write/lock.ts';
import { systemEnvironment } from '../store/store.ts';

/** Those who look whether it is claimed hold it for less than a step. */
const STEP_MS = 20;
const STEPS = 50;

/**
 * Held by a recorder until it owns the store.
 * @returns undefined if it is another recorder's, if there is no store, or none can be written
 */
export async function claimed(dataDir: string): Promise<Lock | undefined> {
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

/** For one that would only keep the store. @throws STORE_IN_USE */
export function leaveToRecorder(dataDir: string): void {
  if (isClaimed(dataDir, systemEnvironment.fs)) throw inUse(dataDir);
}
