/**
 * The way to the owner of a store for those who change it: whatever recorder runs on it, or one
 * without sources begun here, which keeps the store as it was told last and makes room for a
 * recorder that wants to start.
 */
import { FLUSH_DEFAULT_MS, SEGMENT_DEFAULT_BYTES } from '../base/constants.ts';
import { isCode } from '../base/errors.ts';
import type { RecorderConfig } from '../config/config.ts';
import { Recorder } from '../recorder/recorder.ts';
import { OwnerLink, type OwnStore } from '../targets/owner-link.ts';
import type { CopyOptions } from './copy-options.ts';

/** @param onWarning is told what a person should know, if this process becomes the owner */
export function linkTo(
  dataDir: string,
  onWaiting?: CopyOptions['onWaiting'],
  onWarning?: (warning: string) => void,
): OwnerLink {
  const own = (dir: string): Promise<OwnStore> => ownStore(dir, onWarning);
  return new OwnerLink({ dataDir, own, ...(onWaiting && { onWaiting }) });
}

/** A recorder without sources: it owns the store, serves it, and keeps it as it was told last. */
async function ownStore(
  dataDir: string,
  onWarning: (warning: string) => void = () => undefined,
): Promise<OwnStore> {
  const config: RecorderConfig = {
    dataDir,
    flushIntervalMs: FLUSH_DEFAULT_MS,
    segmentBytes: SEGMENT_DEFAULT_BYTES,
    chunksDir: undefined,
    budget: { bytes: undefined, minFreeBytes: 0 },
    retention: [],
    realtime: 'off',
    cpu: -1,
    spinNanos: 0,
    cpuDmaLatencyMicros: undefined,
    durationMs: undefined,
    copies: [],
    sources: [],
  };
  const recorder = await Recorder.start(config);
  recorder.once('status', ({ warnings }) => warnings.forEach(onWarning));
  return {
    ended: recorder.finished,
    get problem() {
      return recorder.unserved;
    },
    close: () => stopped(recorder),
  };
}

/** On a full disk it ends without a word in the log: there are no samples to be lost. */
async function stopped(recorder: Recorder): Promise<void> {
  try {
    await recorder.stop();
  } catch (error) {
    if (!isCode(error, 'NO_SPACE')) throw error;
  }
}
