/**
 * Three ways to keep samples in SQLite, durably (WAL, synchronous=FULL), as references:
 *   rows     one INSERT, one transaction per sample: what a first version does
 *   batches  1000 rows per transaction: what a tuned one does
 *   events   JSON events of 1000 samples, one row and one transaction each: the way of the
 *            reference collector's queue (it has 100–200 samples an event; 1000 favours it)
 *   node child-sqlite.js MODE DIR SECONDS
 * The samples have 4 columns, time and 3 × int16, made before the clock starts. Prints
 * {samplesPerSecond, cpuNanosPerSample}; afterwards the table is counted and compared.
 */
import Database from 'better-sqlite3';
import { monotonicMs } from '../engine/base/clock.ts';
import { HelicorderError } from '../engine/base/errors.ts';

const BATCH = 1000;
/** Samples are repeated from a pool of this size, so that making them costs nothing. */
const POOL = 64 * BATCH;
const PERIOD_NANOS = 1_000_000n;

const [mode = 'rows', dir = '.', seconds = '2'] = process.argv.slice(2);
const times = BigInt64Array.from({ length: POOL }, (_, i) => BigInt(i) * PERIOD_NANOS + 40_000n);
const channel = (frequency: number): Int16Array =>
  Int16Array.from({ length: POOL }, (_, i) => 1000 * Math.sin((frequency * i) / 1000));
const [x, y, z] = [channel(31), channel(47), channel(110)];

const database = new Database(`${dir}/reference.db`);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');

/** Writes `BATCH` samples from `at` on, or one, and returns how many. */
function writerOf(name: string): (at: number) => number {
  if (name === 'events') {
    database.exec('CREATE TABLE queue (id INTEGER PRIMARY KEY, event TEXT NOT NULL)');
    const insert = database.prepare('INSERT INTO queue (event) VALUES (?)');
    return (at) => {
      const part = (column: Int16Array | BigInt64Array): string =>
        column.subarray(at, at + BATCH).join(',');
      insert.run(
        `{"TimestampNanos":[${part(times)}],"X":[${part(x)}],"Y":[${part(y)}],"Z":[${part(z)}],` +
          `"RemoteAddr":"bench","LastTimestampFormatted":"2020-12-30T21:29:17.809Z"}`,
      );
      return BATCH;
    };
  }
  database.exec('CREATE TABLE sample (t INTEGER, x INTEGER, y INTEGER, z INTEGER)');
  const insert = database.prepare('INSERT INTO sample VALUES (?, ?, ?, ?)');
  const one = (at: number): void => void insert.run(times[at], x[at], y[at], z[at]);
  if (name === 'rows') {
    return (at) => {
      one(at);
      return 1;
    };
  }
  const many = database.transaction((at: number) => {
    for (let i = at; i < at + BATCH; i++) one(i);
  });
  return (at) => {
    many(at);
    return BATCH;
  };
}

const write = writerOf(mode);
const startMs = monotonicMs();
const cpuBefore = process.cpuUsage();
let samples = 0;
while (monotonicMs() - startMs < Number(seconds) * 1000) samples += write(samples % POOL);
const elapsedMs = monotonicMs() - startMs;
const { user, system } = process.cpuUsage(cpuBefore);

const [table, each] = mode === 'events' ? ['queue', BATCH] : ['sample', 1];
const count = database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
if (count * each !== samples) {
  throw new HelicorderError('ASSERTION', `${count * each} samples in SQLite, ${samples} written`);
}
database.close();
const samplesPerSecond = (1000 * samples) / elapsedMs;
const cpuNanosPerSample = (1000 * (user + system)) / samples;
console.log(JSON.stringify({ samplesPerSecond, cpuNanosPerSample }));
