/** What a store keeps on the disk for bad times: zeros written ahead, and the ballast. */
import { BALLAST_BYTES, ZERO_PIECE_BYTES } from '../base/constants.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { StorePaths } from './files.ts';
import { SPARE_NAME } from './log/segment.ts';

/** Room for one small segment, to be given up when the disk is full. Only where there is plenty. */
export function makeBallast(fs: FileSystem, { dir, ballast }: StorePaths): void {
  if (fs.exists(ballast) || fs.info(dir).freeBytes < 4 * BALLAST_BYTES) return;
  const file = fs.open(ballast, 'create');
  const zeros = new Uint8Array(ZERO_PIECE_BYTES);
  for (let at = 0; at < BALLAST_BYTES; at += zeros.length) file.write(zeros, at);
  file.sync();
  file.close();
}

/** Gives up zeros written ahead, or else the ballast. @returns false if there was neither */
export function removeReserve(fs: FileSystem, { log, ballast }: StorePaths): boolean {
  const ahead = fs.list(log).filter((name) => SPARE_NAME.test(name));
  for (const name of ahead) fs.remove(`${log}/${name}`);
  if (ahead.length > 0) return true;
  if (!fs.exists(ballast)) return false;
  fs.remove(ballast);
  return true;
}
