/**
 * A disk whose writes can be held up: ext4 in a file, frozen as for a snapshot. Whoever writes to
 * it waits in the kernel until it is thawed. Only root can make one.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';

const IMAGE_BYTES = 128 * 2 ** 20;

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}

/** Whether this process may do all it takes, found out by doing it. */
export const canFreeze = ((): boolean => {
  if (process.getuid?.() !== 0) return false;
  try {
    for (const command of ['mkfs.ext4', 'fsfreeze', 'losetup']) run('which', command);
    run('losetup', '--find');
    return true;
  } catch {
    return false;
  }
})();

export interface FreezableDisk {
  dir: string;
  freeze(): void;
  thaw(): void;
}

/** Mounted and thawed; unmounted and gone when the test has finished. */
export function freezableDisk(): FreezableDisk {
  const base = temporaryDirectory();
  const [image, dir] = [join(base, 'image'), join(base, 'disk')];
  const file = openSync(image, 'w');
  ftruncateSync(file, IMAGE_BYTES);
  closeSync(file);
  mkdirSync(dir);
  run('mkfs.ext4', '-q', image);
  run('mount', '-o', 'loop', image, dir);
  onTestFinished(() => run('umount', '--lazy', dir));
  let isFrozen = false;
  const freeze = (): void => {
    run('fsfreeze', '--freeze', dir);
    isFrozen = true;
  };
  const thaw = (): void => {
    if (isFrozen) run('fsfreeze', '--unfreeze', dir);
    isFrozen = false;
  };
  // before everything else: nobody who writes to a frozen disk can be ended
  onTestFinished(thaw);
  return { dir, freeze, thaw };
}
