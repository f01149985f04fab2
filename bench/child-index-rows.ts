/**
 * A store of many small batches: 256 sources, one sample of each per flush.
 *   node child-index-rows.js make DATA_DIR BATCHES
 *   node child-index-rows.js measure DATA_DIR
 * `measure` prints {commitMicros, lookUpMicros}, medians: of flushes of one sample per source, and
 * of finding a record by its offset, anywhere in a stream. A store that is measured grows by what
 * is flushed.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { MIB } from '../engine/base/constants.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { Store } from '../engine/store/store.ts';
import { HandDriven, INT16_CHANNEL, fillSmall, streamOf } from './histories.ts';
import { printJson } from './process.ts';
import { quantilesOf } from './stats.ts';

const SOURCES = 256;
const COMMITS = 200;
const LOOK_UPS = 50;
/** A look-up reads within one segment: with small ones both stores have as much to read. */
const SEGMENT_BYTES = 4 * MIB;

const [role, dataDir = '.', batches = '1'] = process.argv.slice(2);

/** @returns µs of each flush */
function flush(count: number): Float64Array {
  const rig = new HandDriven({
    ...{ dataDir, sources: SOURCES, channels: [INT16_CHANNEL], segmentBytes: SEGMENT_BYTES },
  });
  const micros = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    rig.row(40_000 + (i % 7) * 1000, fillSmall);
    const startMs = monotonicMs();
    rig.collector.flush();
    micros[i] = (monotonicMs() - startMs) * 1000;
  }
  rig.collector.close();
  return micros;
}

/** @returns µs until the record was here, each at another place */
async function lookUp(): Promise<number[]> {
  const store = Store.open(dataDir);
  const micros: number[] = [];
  for (let i = 0; i < LOOK_UPS; i++) {
    const stream = streamOf((i * 37) % SOURCES);
    const offset = Math.floor((store.stream(stream).nextOffset * i) / LOOK_UPS);
    const startMs = monotonicMs();
    for await (const item of store.read(stream, { from: offset })) {
      micros.push((monotonicMs() - startMs) * 1000);
      if (item.kind === 'fault' || item.firstOffset > offset) {
        throw new HelicorderError('ASSERTION', `${stream}: offset ${offset} was not found`);
      }
      break;
    }
  }
  store.close();
  return micros;
}

if (role === 'make') {
  flush(Math.ceil(Number(batches) / SOURCES));
  printJson({});
} else {
  const commits = flush(COMMITS);
  printJson({
    commitMicros: quantilesOf(commits).p50,
    lookUpMicros: quantilesOf(await lookUp()).p50,
  });
}
