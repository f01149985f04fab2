/**
 * The least that anybody can do to make something durable at each flush: a bare thread that wakes
 * at each multiple of the interval and writes one block of 4 KiB durably into a file that was
 * filled with zeros before (the fastest way on the disks that were measured).
 *   node child-durable-writer.js DIR FLUSH_MS SECONDS
 * Prints {p50, p99, max}: µs from the moment the flush was due until the write had returned.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { printJson } from './process.ts';
import { BLOCK_BYTES, MIB } from '../engine/base/constants.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { quantilesOf } from './stats.ts';

const [dir = '.', flushMs = '10', seconds = '10'] = process.argv.slice(2);
const intervalMs = Number(flushMs);
const flushes = Math.round((Number(seconds) * 1000) / intervalMs);
const path = `${dir}/bare`;

const zeros = nodeFileSystem.open(path, 'create');
for (let at = 0; at < flushes * BLOCK_BYTES; at += MIB) zeros.write(new Uint8Array(MIB), at);
zeros.sync();
zeros.close();

const file = nodeFileSystem.openDurable(path, nodeFileSystem.probeDirect(dir));
const block = nodeFileSystem.alignedBuffer(BLOCK_BYTES).fill(1);
const wake = new Int32Array(new SharedArrayBuffer(4));
const micros = new Float64Array(flushes);
const startMs = monotonicMs();
for (let i = 0; i < flushes; i++) {
  const dueMs = startMs + (i + 1) * intervalMs;
  // nobody notifies this word: it is a sleep that does not need the event loop
  Atomics.wait(wake, 0, 0, Math.max(0, dueMs - monotonicMs()));
  file.write(block, i * BLOCK_BYTES);
  micros[i] = (monotonicMs() - dueMs) * 1000;
}
file.close();
printJson(quantilesOf(micros));
