/**
 * A bare wake-up through a futex from one process to another, as a Node program can have it: one
 * process writes the time into a mark at each interval, the other waits on it and compares.
 *   node child-futex-wake.js wake|wait MARK INTERVAL_MS SECONDS
 * The waiting one prints {p50, p99, max}: µs from the time written until it was awake.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../engine/base/clock.ts';
import { BLOCK_BYTES } from '../engine/base/constants.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { printJson } from './process.ts';
import { quantilesOf } from './stats.ts';

const GENERATION = 1;
const STATE = { open: 1, closed: 2 } as const;
const WAIT_MS = 1000;

const [role, path = 'mark', intervalMs = '10', seconds = '10'] = process.argv.slice(2);
const nowNanos = (): number => Number(systemClock.read().monotonicNanos);

async function wake(): Promise<void> {
  nodeFileSystem.writeFileDurably(path, new Uint8Array(BLOCK_BYTES));
  const mark = nodeFileSystem.openMark(path, GENERATION, true);
  mark.setState(STATE.open);
  for (let left = (Number(seconds) * 1000) / Number(intervalMs); left > 0; left--) {
    await sleep(Number(intervalMs));
    mark.publish(nowNanos(), GENERATION);
  }
  mark.setState(STATE.closed);
  mark.close();
  printJson({});
}

async function wait(): Promise<void> {
  while (!nodeFileSystem.exists(path)) await sleep(10);
  const mark = nodeFileSystem.openMark(path, GENERATION, false);
  const micros: number[] = [];
  for (let seen = 0, last = 0; ;) {
    await mark.wait(seen, WAIT_MS);
    const awakeNanos = nowNanos();
    const values = mark.read();
    if (values === undefined) continue;
    if (values.state === STATE.closed) break;
    if (values.durableLsn !== last) micros.push((awakeNanos - values.durableLsn) / 1000);
    [seen, last] = [values.word, values.durableLsn];
  }
  mark.close();
  printJson(quantilesOf(micros));
}

await (role === 'wake' ? wake() : wait());
