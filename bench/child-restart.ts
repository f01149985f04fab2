/**
 * Opens a store for recording and makes one record durable; then it is killed.
 *   node child-restart.js DATA_DIR
 * Prints {readyMs, commitMicros}: from the call that opens it; p50 of further records, one each.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { Appender } from '../engine/store/appender.ts';
import { printAtOnce } from './files.ts';
import { quantilesOf } from './stats.ts';

const COMMITS = 200;
const RECORD = new TextEncoder().encode('{"restarted":true}');

const [dataDir = '.'] = process.argv.slice(2);
const startMs = monotonicMs();
const appender = Appender.open(dataDir, { stream: 'bench/history', writer: 'history' });
await appender.append([new TextEncoder().encode('{"restarted":true}')]);
const readyMs = monotonicMs() - startMs;
const micros = new Float64Array(COMMITS);
for (let i = 0; i < COMMITS; i++) {
  const fromMs = monotonicMs();
  await appender.append([RECORD]);
  micros[i] = (monotonicMs() - fromMs) * 1000;
}
printAtOnce(JSON.stringify({ readyMs, commitMicros: quantilesOf(micros).p50 }));
process.kill(process.pid, 'SIGKILL');
