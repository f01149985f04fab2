/**
 * A store with many streams, one event in each, closed.
 *   node child-streams.js DATA_DIR STREAMS
 */
import { eventRun } from '../engine/store/write/group-plan.ts';
import { systemEnvironment } from '../engine/store/store.ts';
import { StoreWriter } from '../engine/store/write/writer.ts';
import { printJson } from './process.ts';

/** Streams made by one commit. */
const BATCH = 500;
const EVENT = new TextEncoder().encode('{"made":true}');

const [dataDir = '.', streams = '1'] = process.argv.slice(2);
const writer = StoreWriter.open(dataDir, systemEnvironment);
for (let at = 0; at < Number(streams); at += BATCH) {
  const count = Math.min(BATCH, Number(streams) - at);
  const requests = Array.from({ length: count }, (_, i) =>
    eventRun(at + i === 0 ? 'bench/history' : `bench/stream-${at + i}`, 'history'),
  );
  const opened = writer.beginRuns(requests);
  const builder = writer.group();
  for (const one of opened) {
    writer.appendEvents(one, [EVENT]);
    writer.addRunEnd(builder, one.run, 'stopped');
  }
  writer.commit(builder);
  writer.prepare();
}
writer.close();
printJson({});
