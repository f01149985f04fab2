/**
 * A disk whose writes can be held up: ext4 in a file, frozen as for a snapshot. Whoever writes to
 * it waits in the kernel until it is thawed. Only root can make one.
 */
import { onTestFinished } from 'vitest';
import { LoopDisk, command, whyNoLoopDisk } from './loop-disk.ts';

/** Whether this process may do all it takes. */
export const canFreeze = whyNoLoopDisk('mkfs.ext4', 'fsfreeze', 'losetup') === undefined;

export interface FreezableDisk {
  dir: string;
  freeze(): void;
  thaw(): void;
}

/** Mounted and thawed; unmounted and gone when the test has finished. */
export function freezableDisk(): FreezableDisk {
  const { dir } = new LoopDisk('ext4');
  let isFrozen = false;
  const freeze = (): void => {
    command('fsfreeze', '--freeze', dir);
    isFrozen = true;
  };
  const thaw = (): void => {
    if (isFrozen) command('fsfreeze', '--unfreeze', dir);
    isFrozen = false;
  };
  // before everything else: nobody who writes to a frozen disk can be ended
  onTestFinished(thaw);
  return { dir, freeze, thaw };
}
