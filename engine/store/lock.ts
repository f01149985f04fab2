/** Who owns a store: the process that holds its exclusive lock. */
import { LOCK_WAIT_MS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import type { FileSystem, Lock } from '../files/file-system.ts';
import { storePaths } from './files.ts';

/** The exclusive lock; readers without an owner hold a shared one for moments. */
export function takeLock(
  dir: string,
  { fs, pause }: { fs: FileSystem; pause: (ms: number) => void },
): Lock {
  const path = storePaths(dir).lock;
  const stepMs = 20;
  for (let waitedMs = 0; waitedMs <= LOCK_WAIT_MS; waitedMs += stepMs) {
    const lock = fs.lock(path, true);
    if (lock) return lock;
    pause(stepMs);
  }
  throw new HelicorderError('STORE_IN_USE', `another process records into ${dir}`, {
    details: { dir },
  });
}
