/**
 * A tail reader in a process of its own: follows one stream from its end until its owner is gone.
 *   node child-tail-reader.js DATA_DIR STREAM RATE_HZ [WARM_UP_SECONDS]
 * Prints {p50, p99, max} of what comes behind the warm-up: µs from the moment a sample was taken
 * until it was here, decoded. Tick 0 is the boot of the monotonic clock (docs/decisions/0001), so
 * ticks are times.
 */
import { systemClock } from '../engine/base/clock.ts';
import { NANOS_PER_SECOND } from '../engine/base/constants.ts';
import { printJson } from './process.ts';
import { storeWith } from './recorder.ts';
import { quantilesOf } from './stats.ts';

const [dataDir = '.', stream = '', rateHz = '1000', warmUpSeconds = '0'] = process.argv.slice(2);
const periodNanos = NANOS_PER_SECOND / Number(rateHz);

const monotonicNanos = (): number => Number(systemClock.read().monotonicNanos);

const store = await storeWith(dataDir, stream);
const micros: number[] = [];
const warmNanos = monotonicNanos() + Number(warmUpSeconds) * NANOS_PER_SECOND;
for await (const item of store.read(stream, { from: 'tail', follow: true })) {
  if (item.kind !== 'samples') continue;
  const nowNanos = monotonicNanos();
  if (nowNanos < warmNanos) continue;
  const { ticks, latenessNanos } = item.batch;
  for (let i = 0; i < ticks.length; i++) {
    micros.push((nowNanos - ticks[i]! * periodNanos - latenessNanos[i]!) / 1000);
  }
}
store.close();
printJson(quantilesOf(micros));
