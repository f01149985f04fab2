import { describe, expect, test, vi } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import type { CatOptions, StreamInfo } from '../../../engine/tools/types.ts';
import type { Output } from '../../../cli/command.ts';
import type { WriteOptions } from '../../../engine/index.ts';
import { call } from '../../support/program.ts';

const INFO: StreamInfo = {
  scope: 'a',
  name: 'b',
  id: '00',
  kind: 'samples',
  samplesPerEvent: 1000,
  schema: { channels: [{ name: 'X', type: 'i16', unit: '', scale: 1, offset: 0 }] },
  records: '2',
  samples: '2',
  firstOffset: '0',
  lastOffset: '1',
  retired: { records: '0', samples: '0' },
  bytes: '8192',
  paddingBytes: '0',
  bytesPerRecord: 4096,
  writers: [],
  firstTimestampNanos: null,
  lastTimestampNanos: null,
};

const openStore = { close: () => undefined };
const Store = { open: () => openStore };

describe('exit codes', () => {
  test('--version prints the version', async () => {
    expect(await call('--version')).toEqual({ code: 0, out: '1.2.3\n', err: '' });
  });

  test('every command has help with examples', async () => {
    const verbs = ['run', 'validate', 'config show', 'stream ls', 'stream info', 'stream cat'];
    const more = [
      'stream write',
      'gaps',
      'stats',
      'top',
      'verify',
      'doctor',
      'store info',
      'store migrate',
    ];
    for (const verb of [...verbs, ...more]) {
      const { code, out } = await call(`${verb} --help`);
      expect([verb, code]).toEqual([verb, 0]);
      for (const word of ['--data-dir', '--quiet', '--log-level', '--json', 'Examples:']) {
        expect(`${verb}: ${out}`).toContain(word);
      }
    }
  });

  test('help for a command of a command', async () => {
    const { code, out } = await call('help stream cp');
    expect([code, out]).toEqual([0, (await call('stream cp --help')).out]);
    expect((await call('help')).out).toEqual((await call('--help')).out);
  });

  test.each([
    ['run --rat 5', '--rate'],
    ['strem ls', 'stream'],
    ['stream cat a/b --formt json', '--format'],
    ['stream cat a/b --format xml', 'ndjson-records'],
    ['stream cat a/b --format jsn', 'Did you mean json?'],
    ['stream write a/b --framing line', 'Did you mean lines?'],
    ['verify --log-level wran', 'Did you mean warn?'],
    ['stream cat a/b --max-events few', 'whole number'],
    ['stream cat a/b --from-time 2026-11-25T10:00', 'has no zone: add Z'],
    ['stream cat a/b --columns X,,Y', 'expected names, separated by commas'],
    ['stats a/b --bucket 60', 'has no unit'],
    ['top --interval 0s', '--interval 0s: expected 100ms or more'],
    ['gaps network', 'scope/name'],
    ['verify extra', 'too many arguments'],
    ['verify --extra', 'see "helicorder verify --help"'],
    ['nonsense --help', "unknown command 'nonsense'"],
    ['stream nope --help', 'see "helicorder stream --help"'],
    ['help nope', "unknown command 'nope'"],
    ['', 'Usage'],
  ])('the misuse "%s" exits 64 and helps', async (words, help) => {
    const { code, out, err } = await call(words, { Store });
    expect([code, out]).toEqual([64, '']);
    expect(err).toContain(help);
  });

  test('a bad file exits 78, a bad flag 64, both with advice', async () => {
    const file = await call('run --config bad.yaml');
    expect(file.code).toBe(78);
    expect(file.err).toContain('helicorder: bad.yaml:1: stroe: unknown key, did you mean "store"?');
    expect(file.err).toContain('helicorder validate');
    const flag = await call('run --rate 0');
    expect(flag.code).toBe(64);
    expect(flag.err).toContain('--rate: must be 0.1 to 20000 Hz');
  });

  test('an error of the engine exits with the number of its code', async () => {
    const inUse = new HelicorderError('STORE_IN_USE', 'd is in use');
    const Recorder = { start: () => Promise.reject(inUse) };
    const { code, err } = await call('run', { Recorder });
    expect(code).toBe(75);
    expect(err).toContain('helicorder: d is in use\nStop whoever owns');
  });

  test('another system exits 69, but prints help', async () => {
    const change = { platform: 'darwin' };
    const { code, err } = await call('run', {}, change);
    expect([code, err.split('\n')[0]]).toEqual([
      69,
      'helicorder: Helicorder needs Linux, this is darwin',
    ]);
    expect((await call('run --help', {}, change)).code).toBe(0);
  });

  test('without the addon help works, and what needs it exits 69', async () => {
    const error = new HelicorderError('UNSUPPORTED', 'no addon');
    const change = { load: () => Promise.reject(error) };
    expect((await call('run --help', {}, change)).code).toBe(0);
    expect((await call('run --interface lo', {}, change)).code).toBe(69);
  });

  test('a reader of stdout that has gone ends the command quietly', async () => {
    const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    const stdout: Output = {
      isTTY: false,
      columns: undefined,
      rows: undefined,
      write: () => Promise.reject(gone),
    };
    const report = { ok: true, streams: [], damage: [], tornTails: [], away: [] };
    const verify = () => Promise.resolve(report);
    expect(await call('verify', { verify }, { stdout })).toEqual({ code: 0, out: '', err: '' });
  });

  test('selftest ended by a signal exits as the signal has it, without advice', async () => {
    for (const [signal, exit] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
    ] as const) {
      const selfTest = ({ signal: stop }: { signal: AbortSignal }) => {
        stop.throwIfAborted();
      };
      const onSignal = (listener: (name: typeof signal) => void) => {
        listener(signal);
        return () => undefined;
      };
      const { code, err } = await call('selftest --data-dir d', { selfTest }, { onSignal });
      expect([code, err]).toEqual([
        exit,
        `helicorder: ended by ${signal}, nothing is left behind\n`,
      ]);
    }
  });

  test('a bug exits 70 with its stack', async () => {
    const verify = () => Promise.reject(new Error('impossible'));
    const { code, err } = await call('verify', { verify });
    expect(code).toBe(70);
    expect(err).toMatch(/impossible\n\s+at /);
  });
});

test.each(['EIO', 'ENOSPC'])('a system call that fails (%s) is no bug', async (code) => {
  const failed = Object.assign(new Error(`${code}: open '/a'`), { code });
  const ended = await call('verify', { verify: () => Promise.reject(failed) });
  const first = ended.err.split('\n')[0];
  expect([ended.code, first]).toEqual([74, `helicorder: ${code}: open '/a'`]);
});

describe('reading', () => {
  test('cat hands on every option and prints what comes', async () => {
    const seen: CatOptions[] = [];
    const cat = async function* (_: unknown, options: CatOptions) {
      seen.push(options);
      yield '{"X":[1]}\n';
      yield new TextEncoder().encode('{"X":[2]}\n');
    };
    const words = 'stream cat a/b --from 5 --to 9 --max-events 2 --with-ledger --delimiter \\0';
    const more = ' --from-time 1970-01-01T00:00:01Z --to-time 1970-01-01T00:00:02Z --columns X,Y';
    const { code, out } = await call(words + more, { Store, cat });
    expect([code, out]).toEqual([0, '{"X":[1]}\n{"X":[2]}\n']);
    expect(seen[0]).toMatchObject({
      stream: 'a/b',
      from: 5,
      to: 9,
      maxEvents: 2,
      follow: false,
      withLedger: true,
      delimiter: '\0',
      fromTime: 1_000_000_000n,
      toTime: 2_000_000_000n,
      columns: ['X', 'Y'],
    });
  });

  test('gaps of a range of time says which time it has counted', async () => {
    const times = { firstTimestampNanos: '1000000000', lastTimestampNanos: '5000000000' };
    const sums = { ticksScheduled: '9', samples: '9', gapTicks: '0', balanced: true };
    const none = { nominalHz: null, measuredHz: null, deltaMicros: null, latenessMicros: null };
    const lists = { imbalances: [], gapsByReason: [] };
    const rest = { stream: 'a/b', ...times, ...sums, ...none, ...lists };
    const gapPieces = () => [{ gaps: [], rest }];
    const all = await call('gaps a/b', { Store, gapPieces });
    expect(all.out).toContain('time      1970-01-01T00:00:01.000Z to 1970-01-01T00:00:05.000Z\n');
    const some = await call('gaps a/b --from-time 1970-01-01T00:00:02Z', { Store, gapPieces });
    expect(some.out).toContain('00:05.000Z: all that is stored with a sample of the range');
  });

  test('damage is told on stderr, reading goes on, exit 65', async () => {
    const cat = async function* (_: unknown, { onDamage }: CatOptions) {
      yield 'before\n';
      onDamage({ file: '1.seg', offset: '4096', length: '8192', what: 'checksum' });
      yield 'behind\n';
    };
    const { code, out, err } = await call('stream cat a/b', { Store, cat });
    expect([code, out]).toEqual([65, 'before\nbehind\n']);
    expect(err).toContain('1.seg at 4096, 8192 bytes: checksum');
  });

  test('stats prints a row per bucket and channel that has a sample there', async () => {
    const seen: unknown[] = [];
    const one = (first: number, second: number): Float64Array => Float64Array.of(first, second);
    const max = 12_345_678_901;
    const values = {
      count: one(2, 0),
      min: one(1, NaN),
      mean: one(1 / 3, NaN),
      max: one(max, NaN),
    };
    const report = {
      stream: 'a/b',
      bucketNanos: 1_000_000_000n,
      startNanos: BigInt64Array.of(0n, 1_000_000_000n),
      channels: [{ name: 'X', unit: '', ...values }],
    };
    const buckets = (_: unknown, stream: string, options: unknown): Promise<unknown> => {
      seen.push([stream, options]);
      return Promise.resolve(report);
    };
    const json = await call('stats a/b --bucket 1s --columns X --json', { Store, buckets });
    expect([json.code, json.out.split('\n').length]).toEqual([0, 2]);
    expect(JSON.parse(json.out)).toEqual({
      ...{ timestampNanos: '0', channel: 'X', count: '2', min: 1, mean: 1 / 3, max },
    });
    const { out } = await call('stats a/b --buckets 9', { Store, buckets });
    expect(out.split('\n').map((line) => line.split(/ +/))).toEqual([
      ['time', 'channel', 'count', 'min', 'mean', 'max'],
      ['1970-01-01T00:00:00.000Z', 'X', '2', '1', '0.333333333', '12345678901'],
      [''],
    ]);
    expect(seen).toEqual([
      ['a/b', expect.objectContaining({ bucketNanos: 1_000_000_000n, columns: ['X'] })],
      ['a/b', expect.objectContaining({ count: 9 })],
    ]);
  });

  test('stats prints 64-bit integers to the last digit, in JSON as text', async () => {
    const ends = { min: BigUint64Array.of(7n), max: BigUint64Array.of(2n ** 64n - 1n) };
    const doubles = { min: Float64Array.of(7), max: Float64Array.of(2 ** 64) };
    const numbers = { count: Float64Array.of(2), mean: Float64Array.of(2 ** 63), ...doubles };
    const report = { startNanos: BigInt64Array.of(0n) };
    const channels = [{ name: 'C', unit: '', ...numbers, exact: ends }];
    const buckets = (): unknown => Promise.resolve({ ...report, channels });
    const json = await call('stats a/b --json', { Store, buckets });
    expect(JSON.parse(json.out)).toEqual({
      ...{ timestampNanos: '0', channel: 'C', count: '2', mean: 2 ** 63 },
      ...{ min: '7', max: '18446744073709551615' },
    });
    const { out } = await call('stats a/b', { Store, buckets });
    expect(out).toContain(' 18446744073709551615\n');
  });

  test('--json prints exactly the report', async () => {
    const damage = [{ file: 'f', offset: '0', length: '1', what: 'rot' }];
    const away = [{ place: '/mnt', what: 'not there' }];
    for (const [found, exit] of [
      [{ damage, away: [] }, 65],
      [{ damage, away }, 65],
      [{ damage: [], away }, 69],
    ] as const) {
      const verified = { ok: false, streams: [], tornTails: [], ...found };
      const verify = () => Promise.resolve(verified);
      const { code, out } = await call('verify --json', { verify });
      expect([code, JSON.parse(out)]).toEqual([exit, verified]);
      const { out: told } = await call('verify', { verify });
      for (const { what } of [...found.damage, ...found.away]) expect(told).toContain(what);
    }
    const info = await call('stream info a/b --json', { Store, describeStream: () => INFO });
    expect(JSON.parse(info.out)).toEqual(INFO);
  });

  test('doctor inspects, and repairs only when told to', async () => {
    const doctor = () => Promise.resolve({ dir: 'd', ok: false, findings: [] });
    const repair = (_: string, tell: (step: string) => void) => {
      tell('a step');
      return Promise.resolve({ dir: 'd', ok: true, findings: [] });
    };
    expect((await call('doctor --json', { doctor, repair })).code).toBe(65);
    const repaired = await call('doctor --repair', { doctor, repair });
    expect([repaired.code, repaired.err]).toEqual([0, 'helicorder: a step\n']);
  });

  test('write acknowledges in order', async () => {
    const writeEvents = async ({ writer, onOpen, onDurable }: WriteOptions) => {
      onOpen({ writer, epoch: 1, lastSeq: 0 });
      onDurable(1, 0);
      onDurable(2, 1);
    };
    const acknowledged = await call('stream write a/b --writer w --ack', { writeEvents });
    expect(acknowledged.out).toBe(
      '{"writer":"w","epoch":"1","lastSeq":"0"}\n' +
        '{"seq":"1","offset":"0"}\n{"seq":"2","offset":"1"}\n',
    );
    expect((await call('stream write a/b', { writeEvents })).out).toBe('');
    const summary = await call('stream write a/b --json', { writeEvents });
    expect(JSON.parse(summary.out)).toEqual({
      ...{ stream: 'a/b', writer: 'stdin', epoch: '1', events: '2', lastSeq: '2' },
    });
  });

  test('top leaves room for streams: of cursors those that are furthest behind', async () => {
    const cursors = Array.from({ length: 20 }, (_, i) => ({
      ...{ name: `c${i}`, stream: 'a/b', offset: '0', lag: String(i), retired: '0' },
    }));
    const rates = { recordsPerSecond: 1, bytesPerSecond: 1 };
    const streams = [{ name: 'a/b', records: '19', ...rates }];
    const disk = { usedBytes: '1', chunkBytes: '0', limitBytes: '2', freeBytes: '1' };
    class Top {
      look = (): object => ({ owned: false, streams, cursors, disk });
    }
    let drawn = '';
    const write = (text: string): Promise<void> => Promise.resolve(void (drawn += text));
    const stdout = { isTTY: true, columns: 60, rows: 12, write } as Output;
    const reader = { isOwned: false, paths: { dir: '' } };
    const opened = { open: () => ({ ...openStore, reader }) };
    expect((await call('top --looks 1', { Store: opened, Top }, { stdout })).code).toBe(0);
    const named = [...drawn.matchAll(/^cursor +(\S+) (.*?)\x1b/gm)].map(([, a, b]) => `${a} ${b}`);
    expect(named).toEqual([
      ...['c19 on a/b: 19 behind', 'c18 on a/b: 18 behind', 'c17 on a/b: 17 behind'],
      'and 17 more: helicorder cursor ls',
    ]);
    expect(drawn).toMatch(/ 19 +a\/b/);
  });

  test('input is taken only as fast as somebody reads the acknowledgements', async () => {
    let [taken, durable, told, printed] = [0, 0, 0, ''];
    const writeEvents = async ({ writer, input, onOpen, onDurable }: WriteOptions) => {
      onOpen({ writer, epoch: 1, lastSeq: 0 });
      for await (const { length } of input) {
        for (let i = 0; i < length; i++) onDurable(++durable, durable - 1);
      }
    };
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for (; taken < 20; taken++) yield new Uint8Array(1000);
    };
    const readers: (() => void)[] = [];
    const write: Output['write'] = (chunk) => {
      printed += String(chunk);
      told += String(chunk).split('\n').length - 1;
      return new Promise((resolve) => readers.push(resolve));
    };
    const stdout: Output = { isTTY: false, columns: undefined, rows: undefined, write };
    const ended = call('stream write a/b --ack', { writeEvents }, { stdin: pieces(), stdout });
    await vi.waitFor(() => expect(durable).toBe(1000), { timeout: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    expect([taken, durable], 'nobody has read anything yet').toEqual([0, 1000]);
    let isOver = false;
    void ended.then(() => (isOver = true));
    while (!isOver) {
      readers.splice(0).forEach((resolve) => resolve());
      await new Promise((resolve) => setImmediate(resolve));
      expect(durable - told, 'ahead of their acknowledgements').toBeLessThanOrEqual(1000);
    }
    expect((await ended).code).toBe(0);
    const lines = printed.split('\n').slice(1, -1);
    expect(lines.map((line) => (JSON.parse(line) as { seq: string }).seq)).toEqual(
      Array.from({ length: 20_000 }, (_, i) => String(i + 1)),
    );
  });
});
