/** Removes directories of our own making: for what is thrown away. */
import { rmSync, rmdirSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';

/** With all that is in it. */
export function removeTree(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** Unless somebody has put something into it by now. */
export function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    if (errnoCode(error) !== 'ENOTEMPTY' && errnoCode(error) !== 'ENOENT') throw error;
  }
}
