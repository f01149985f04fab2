/** Removes a directory of our own making with all that is in it: for what is thrown away. */
import { rmSync } from 'node:fs';

export function removeTree(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}
