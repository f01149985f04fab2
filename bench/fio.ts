/**
 * fio as a reference: what the disk of a directory does with large blocks, past the page cache,
 * one at a time. Files are laid out before, by writing: a file that was only allocated has to be
 * converted block by block, and is half as fast.
 */
import { join } from 'node:path';
import { HelicorderError } from '../engine/base/errors.ts';
import { findProgram } from './files.ts';
import type { Metrics } from './harness.ts';
import { runProgram } from './process.ts';

const TIMEOUT_MS = 120_000;

export function fioMissing(): string | undefined {
  return findProgram('fio') === undefined
    ? 'fio is not installed (Debian: apt-get install fio)'
    : undefined;
}

export interface FioOptions {
  dir: string;
  direction: 'read' | 'write';
  blockBytes: number;
  fileBytes: number;
}

interface FioReport {
  jobs: [{ read: FioSide; write: FioSide }];
}

interface FioSide {
  /** bytes per second */
  bw_bytes: number;
}

/** @returns bytesPerSecond; of writes, each durable (O_DIRECT|O_DSYNC) */
export async function runFio(options: FioOptions): Promise<Metrics> {
  const { dir, direction, blockBytes, fileBytes } = options;
  const args = [
    '--name=bench',
    `--filename=${join(dir, 'fio')}`,
    `--rw=${direction}`,
    `--bs=${blockBytes}`,
    `--size=${fileBytes}`,
    '--direct=1',
    '--ioengine=psync',
    '--overwrite=1',
    ...(direction === 'write' ? ['--sync=dsync'] : []),
    '--output-format=json',
  ];
  const { stdout } = await runProgram('fio', args, { timeoutMs: TIMEOUT_MS });
  return { bytesPerSecond: parseFio(stdout)[direction].bw_bytes };
}

/** Notes of fio may stand before its object. */
export function parseFio(text: string): FioReport['jobs'][0] {
  const start = text.indexOf('{');
  const report = start < 0 ? undefined : (JSON.parse(text.slice(start)) as FioReport);
  if (report?.jobs?.[0] !== undefined) return report.jobs[0];
  throw new HelicorderError('UNSUPPORTED', 'fio printed no job');
}
