/**
 * Opens a store for recording and makes one record durable; then it is killed.
 *   node child-restart.js DATA_DIR
 * Prints {readyMs}, from the call that opens it.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { Appender } from '../engine/store/store.ts';
import { printAtOnce } from './files.ts';

const [dataDir = '.'] = process.argv.slice(2);
const startMs = monotonicMs();
const appender = Appender.open(dataDir, { stream: 'bench/history', writer: 'history' });
await appender.append([new TextEncoder().encode('{"restarted":true}')]);
printAtOnce(JSON.stringify({ readyMs: monotonicMs() - startMs }));
process.kill(process.pid, 'SIGKILL');
