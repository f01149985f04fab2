/** Space kept back, so that a store on a full disk can still do what makes room. */
import { BALLAST_BYTES, ZERO_PIECE_BYTES } from '../../base/constants.ts';
import { isNoSpace } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { FileSystem } from '../../files/file-system.ts';
import { usingFile } from '../../files/using-file.ts';
import type { StorePaths } from '../log/files.ts';
import { SPARE_NAME } from '../log/segment.ts';

/** Makes the ballast, where there is room enough for it. */
export function makeBallast(fs: FileSystem, { ballast, dir }: StorePaths): void {
  if (fs.exists(ballast) || fs.info(dir).freeBytes < 4 * BALLAST_BYTES) return;
  usingFile(fs, ballast, 'create', (file) => {
    const zeros = new Uint8Array(ZERO_PIECE_BYTES);
    for (let at = 0; at < BALLAST_BYTES; at += zeros.length) file.write(zeros, at);
    edge('ballast-sync', () => file.sync());
  });
}

/** What may go while nobody writes the log: zeros written ahead, or else the ballast. */
export function wholeReserve(fs: FileSystem, paths: StorePaths): string[] {
  const ahead = fs.list(paths.log).filter((name) => SPARE_NAME.test(name));
  if (ahead.length === 0) return ballastAlone(fs, paths);
  return ahead.map((name) => `${paths.log}/${name}`);
}

/** What may go beside whoever writes the log, and has its zeros in hand. */
export function ballastAlone(fs: FileSystem, { ballast }: StorePaths): string[] {
  return fs.exists(ballast) ? [ballast] : [];
}

/** Does what on a full disk takes the place of what was kept in reserve: of the files it names. */
export function fromReserve<T>(fs: FileSystem, reserve: () => string[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    const files = isNoSpace(error) ? reserve() : [];
    if (files.length === 0) throw error;
    for (const file of files) fs.remove(file);
    return work();
  }
}
