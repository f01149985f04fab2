/**
 * Row 12: reading history back, decoded, from the disk and not from its cache: samples a second
 * against what the live path can take in (row 3, one source, the same store), and bytes of the log
 * a second against a sequential read of the device by fio.
 */
import { join } from 'node:path';
import { MIB } from '../engine/base/constants.ts';
import { WorkDirectory, childProgram } from './files.ts';
import { fioMissing, runFio } from './fio.ts';
import type { Arm, Context, Experiment } from './harness.ts';
import { runNode } from './process.ts';

const TIMEOUT_MS = 120_000;
const SOURCES = 1;

const secondsOf = ({ quick }: Context): number => (quick ? 1 : 3);

/** The store that the next arm reads: it takes the place of the last round's. */
const live: Arm = {
  name: 'live ingest',
  measure: (context) => {
    const { path } = new WorkDirectory(context.shared, 'store');
    const args = [path, String(SOURCES), String(secondsOf(context))];
    return runNode(childProgram('child-saturation'), args, { timeoutMs: TIMEOUT_MS });
  },
};

const history: Arm = {
  name: 'reading history',
  measure: ({ shared }) =>
    runNode(childProgram('child-read-back'), [join(shared, 'store')], { timeoutMs: TIMEOUT_MS }),
};

const device: Arm = {
  name: "fio's sequential read",
  missing: fioMissing,
  measure: ({ dir, quick }) =>
    runFio({
      ...{ dir, direction: 'read', blockBytes: MIB },
      fileBytes: (quick ? 256 : 1024) * MIB,
    }),
};

export const readBack: Experiment = {
  name: 'reading back',
  arms: [live, history, device],
  rows: [
    {
      id: '12-live',
      name: 'samples/s read back, to live ingest',
      ...{ unit: '/s', better: 'higher', gate: 2, stretch: 4 },
      figure: { panel: 'samples per second', at: 'read back · live' },
      subject: history.name,
      value: (metrics) => metrics.samplesPerSecond!,
      reference: { arm: live.name, value: (metrics) => metrics.samplesPerSecond! },
    },
    {
      id: '12-device',
      name: "bytes/s of the log read back, to the device's sequential read",
      ...{ unit: 'B/s', better: 'higher', gate: 0.45, stretch: 0.85 },
      figure: { panel: 'reading from the disk', at: 'the log · the device' },
      subject: history.name,
      value: (metrics) => metrics.bytesPerSecond!,
      reference: { arm: device.name, value: (metrics) => metrics.bytesPerSecond! },
    },
  ],
};
