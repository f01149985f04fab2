/** What a copy is asked for, looked at before anything is opened for it. */
import { resolve } from 'node:path';
import { HelicorderError } from '../base/errors.ts';
import { cursorName, streamName } from '../base/names.ts';
import type { CopyOptions } from './copy.ts';

/** @throws USAGE, which names what cannot be */
export function checkCopy(options: CopyOptions): void {
  const { from, to, cursor } = options;
  streamName(from);
  streamName(to);
  if (cursor !== undefined) cursorName(cursor);
  checkEnds(options);
}

function checkEnds({ dataDir, from, toDataDir, to, begin, end }: CopyOptions): void {
  if (typeof begin === 'number' && end !== undefined && end < begin) {
    throw new HelicorderError('USAGE', `--to ${end} lies before --from ${begin}`);
  }
  if (from !== to || resolve(dataDir) !== resolve(toDataDir)) return;
  throw new HelicorderError('USAGE', `${from} would be copied onto itself: name another stream`);
}
