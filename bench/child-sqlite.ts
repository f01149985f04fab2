/**
 * Ways to keep samples in SQLite, durably, as references:
 *   rows        one INSERT, one transaction per sample: what a first version does
 *   batches     1000 rows per transaction: what a tuned one does
 *   queue       JSON events, one row and one transaction each: the reference collector's queue
 *   queue-wal   the same, as a tuned one would have it
 *   node child-sqlite.js MODE SAMPLES DIR SECONDS
 * The queue is as `PersistentQueue.java` of pravega-sensor-collector has it: an autoincrement id, a
 * blob, routing key and timestamp, and SQLite's defaults, a rollback journal and synchronous=FULL.
 * All others have a WAL, and synchronous=FULL.
 * SAMPLES: per transaction and, in JSON, per event.
 * The samples have 4 columns, time and 3 × int16, made before the clock starts. Prints
 * {samplesPerSecond, cpuNanosPerSample}; afterwards the table is counted and compared.
 */
import Database from 'better-sqlite3';
import { monotonicMs } from '../engine/base/clock.ts';
import { printJson } from './process.ts';
import { HelicorderError } from '../engine/base/errors.ts';

/** Samples are repeated from a pool of this size, so that making them costs nothing. */
const POOL = 64_000;
const PERIOD_NANOS = 1_000_000n;

const [mode = 'rows', each = '1', dir = '.', seconds = '2'] = process.argv.slice(2);
const batch = Number(each);
const times = BigInt64Array.from({ length: POOL }, (_, i) => BigInt(i) * PERIOD_NANOS + 40_000n);
const channel = (frequency: number): Int16Array =>
  Int16Array.from({ length: POOL }, (_, i) => 1000 * Math.sin((frequency * i) / 1000));
const [x, y, z] = [channel(31), channel(47), channel(110)];

const isQueue = mode.startsWith('queue');
const database = new Database(`${dir}/reference.db`);
database.pragma(`journal_mode = ${mode === 'queue' ? 'DELETE' : 'WAL'}`);
database.pragma('synchronous = FULL');

/** Writes one batch of samples from `at` on. */
function writerOf(name: string): (at: number) => void {
  if (isQueue) {
    database.exec(
      'CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL, ' +
        'routingKey TEXT NOT NULL, timestamp INTEGER NOT NULL)',
    );
    const insert = database.prepare(
      'INSERT INTO queue (bytes, routingKey, timestamp) VALUES (?, ?, ?)',
    );
    return (at) => {
      const part = (column: Int16Array | BigInt64Array): string =>
        column.subarray(at, at + batch).join(',');
      const event =
        `{"TimestampNanos":[${part(times)}],"X":[${part(x)}],"Y":[${part(y)}],"Z":[${part(z)}],` +
        `"RemoteAddr":"bench","LastTimestampFormatted":"2020-12-30T21:29:17.809Z"}`;
      insert.run(Buffer.from(event), 'bench', times[at]);
    };
  }
  database.exec('CREATE TABLE sample (t INTEGER, x INTEGER, y INTEGER, z INTEGER)');
  const insert = database.prepare('INSERT INTO sample VALUES (?, ?, ?, ?)');
  const one = (at: number): void => void insert.run(times[at], x[at], y[at], z[at]);
  if (name === 'rows') return one;
  return database.transaction((at: number) => {
    for (let i = at; i < at + batch; i++) one(i);
  });
}

const write = writerOf(mode);
const startMs = monotonicMs();
const cpuBefore = process.cpuUsage();
let samples = 0;
while (monotonicMs() - startMs < Number(seconds) * 1000) {
  write(samples % POOL);
  samples += batch;
}
const elapsedMs = monotonicMs() - startMs;
const { user, system } = process.cpuUsage(cpuBefore);

const [table, inRow] = isQueue ? ['queue', batch] : ['sample', 1];
const stored = (database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number) * inRow;
if (stored !== samples) {
  throw new HelicorderError('ASSERTION', `${stored} samples in SQLite, ${samples} written`);
}
database.close();
const samplesPerSecond = (1000 * samples) / elapsedMs;
const cpuNanosPerSample = (1000 * (user + system)) / samples;
printJson({ samplesPerSecond, cpuNanosPerSample });
