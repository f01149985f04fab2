/**
 * Row 4: durable writes of 1 MiB into a zero-filled segment, as the log makes them (aligned memory,
 * the addon's O_DIRECT|O_DSYNC file), against fio with the same block, flags and file. What a group
 * costs before it is written is row 3's and 9's; this is about the disk.
 */
import { BLOCK_BYTES, MIB } from '../engine/base/constants.ts';
import { childProgram } from './files.ts';
import { fioMissing, runFio } from './fio.ts';
import type { Arm, Context, Experiment } from './harness.ts';
import { runNode } from './process.ts';

const TIMEOUT_MS = 120_000;
const PANEL = 'durable writes into a segment';

const fileBytesOf = ({ quick }: Context): number => (quick ? 256 : 1024) * MIB;

function ours(blockBytes: number): Arm {
  return {
    name: `segment, ${blockBytes / 1024} KiB`,
    measure: (context) => {
      const args = [context.dir, String(blockBytes), String(fileBytesOf(context))];
      return runNode(childProgram('child-segment-write'), args, { timeoutMs: TIMEOUT_MS });
    },
  };
}

function theirs(blockBytes: number): Arm {
  return {
    name: `fio, ${blockBytes / 1024} KiB`,
    missing: fioMissing,
    measure: (context) =>
      runFio({
        dir: context.dir,
        direction: 'write',
        blockBytes,
        fileBytes: fileBytesOf(context),
      }),
  };
}

const large = { ours: ours(MIB), theirs: theirs(MIB) };
const medium = { ours: ours(64 * BLOCK_BYTES), theirs: theirs(64 * BLOCK_BYTES) };

export const segmentWrite: Experiment = {
  name: 'segment write',
  arms: [large.ours, large.theirs, medium.ours, medium.theirs],
  rows: [
    {
      id: '4-1MiB',
      name: 'durable writes of 1 MiB into a segment, to fio',
      ...{ unit: 'B/s', better: 'higher', gate: 0.8, stretch: 0.95 },
      figure: { panel: PANEL, at: '1 MiB' },
      subject: large.ours.name,
      value: (metrics) => metrics.bytesPerSecond!,
      reference: { arm: large.theirs.name, value: (metrics) => metrics.bytesPerSecond! },
    },
    {
      id: '4-256KiB',
      name: 'durable writes of 256 KiB into a segment, to fio',
      ...{ unit: 'B/s', better: 'higher', gate: null, stretch: null, fullOnly: true },
      figure: { panel: PANEL, at: '256 KiB' },
      subject: medium.ours.name,
      value: (metrics) => metrics.bytesPerSecond!,
      reference: { arm: medium.theirs.name, value: (metrics) => metrics.bytesPerSecond! },
    },
  ],
};
