/** Space kept back, so that a store on a full disk can still do what makes room. */
import { BALLAST_BYTES, ZERO_PIECE_BYTES } from '../base/constants.ts';
import { isNoSpace } from '../base/errors.ts';
import { edge } from '../base/failpoint.ts';
import type { FileSystem } from '../files/file-system.ts';
import { usingFile } from '../files/using-file.ts';
import type { StorePaths } from './files.ts';
import { SPARE_NAME } from './log/segment.ts';

/** Makes the ballast, where there is room enough for it. @returns true if it was made now */
export function makeBallast(fs: FileSystem, { ballast, dir }: StorePaths): boolean {
  if (fs.exists(ballast) || fs.info(dir).freeBytes < 4 * BALLAST_BYTES) return false;
  usingFile(fs, ballast, 'create', (file) => {
    const zeros = new Uint8Array(ZERO_PIECE_BYTES);
    for (let at = 0; at < BALLAST_BYTES; at += zeros.length) file.write(zeros, at);
    edge('ballast-sync', () => file.sync());
  });
  return true;
}

/** Does what on a full disk takes the place of what was kept in reserve. */
export function fromReserve<T>(fs: FileSystem, paths: StorePaths, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isNoSpace(error) || !removeReserve(fs, paths)) throw error;
    return work();
  }
}

/** Zeros written ahead, or else the ballast. @returns false if there was neither */
function removeReserve(fs: FileSystem, { log, ballast }: StorePaths): boolean {
  const ahead = fs.list(log).filter((name) => SPARE_NAME.test(name));
  for (const name of ahead) fs.remove(`${log}/${name}`);
  if (ahead.length > 0) return true;
  if (!fs.exists(ballast)) return false;
  fs.remove(ballast);
  return true;
}
