/** Segment files of a store on disk, cut, overwritten and looked at from outside. */
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
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

/** The file without the zeros at its end, in whole blocks. */
export function withoutZeros(file: string): Uint8Array {
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, Math.ceil(end / 4096) * 4096);
}
