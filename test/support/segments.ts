/** Segment files of a store on disk, cut, overwritten and looked at from outside. */
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export function segmentFile(dir: string, segment: number): string {
  return join(dir, 'log', `${String(segment).padStart(20, '0')}.seg`);
}

/** Numbers of the segments of a store, ascending. */
export function segmentNumbers(dir: string): number[] {
  return readdirSync(join(dir, 'log'))
    .filter((name) => /^\d+\.seg$/.test(name))
    .map((name) => parseInt(name, 10))
    .sort((a, b) => a - b);
}

export function overwrite(file: string, position: number, content: Uint8Array): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, content, 0, content.length, position);
  closeSync(fd);
}
