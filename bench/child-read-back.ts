/**
 * Reads all streams of a store from their beginning, every value decoded, with a cold page cache.
 *   node child-read-back.js DATA_DIR
 * Arrays are reused: what a program does that is done with a batch before it asks for the next.
 * Prints {samplesPerSecond, bytesPerSecond}: the latter of the log's segments, up to the end.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { Store } from '../engine/store/store.ts';
import { logBytes, segmentFiles } from './histories.ts';
import { printJson } from './process.ts';

const [dataDir = '.'] = process.argv.slice(2);
for (const path of segmentFiles(dataDir)) {
  const file = nodeFileSystem.open(path, 'read');
  file.dropCache();
  file.close();
}

const store = Store.open(dataDir);
const bytes = logBytes(dataDir, store.reader.end);
const startMs = monotonicMs();
let samples = 0;
for (const name of store.streamNames()) {
  let read = 0;
  for await (const item of store.read(name, { reuseArrays: true })) {
    if (item.kind === 'samples') read += item.batch.columns[0]!.length;
  }
  const expected = store.stream(name).totals.samples;
  if (read !== expected) {
    throw new HelicorderError('ASSERTION', `${name}: ${read} of ${expected} samples came back`);
  }
  samples += read;
}
const seconds = (monotonicMs() - startMs) / 1000;
store.close();
printJson({ samplesPerSecond: samples / seconds, bytesPerSecond: bytes / seconds });
