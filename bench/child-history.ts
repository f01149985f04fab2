/**
 * Fills a store with events of 64 KiB, which nothing makes shorter, and is killed, without having
 * closed anything.
 *   node child-history.js DATA_DIR BYTES SEGMENT_BYTES
 */
import { KIB, MIB } from '../engine/base/constants.ts';
import { eventRun } from '../engine/store/write/group-plan.ts';
import { systemEnvironment } from '../engine/store/store.ts';
import { StoreWriter } from '../engine/store/write/writer.ts';

const EVENT_BYTES = 64 * KIB;

const [dataDir = '.', bytes = '', segmentBytes = ''] = process.argv.slice(2);
const writer = StoreWriter.open(dataDir, {
  ...systemEnvironment,
  segmentBytes: Number(segmentBytes),
});
const [opened] = writer.beginRuns([eventRun('bench/history', 'history')]);
const events = Math.max(1, Math.min(16, Math.floor(writer.groupLimit / EVENT_BYTES) - 1));
const group = Array.from({ length: events }, () => systemEnvironment.random.bytes(EVENT_BYTES));
for (let left = Number(bytes); left > 0; left -= events * EVENT_BYTES) {
  writer.appendEvents(opened!, group);
  if (left % (64 * MIB) === 0) writer.keepMark();
}
process.kill(process.pid, 'SIGKILL');
