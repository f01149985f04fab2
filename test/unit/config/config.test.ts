import { describe, expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { settingsOf } from '../../../engine/config/settings.ts';
import { testDrivers } from '../../support/drivers.ts';
import { memoryFiles } from '../../support/memory-files.ts';

interface Given {
  files?: Record<string, string>;
  path?: string;
  environment?: Record<string, string>;
  flags?: Record<string, string>;
}

function resolve({ files = {}, path, environment = {}, flags = {} }: Given): ResolvedConfig {
  return resolveConfig({
    files: memoryFiles(files),
    environment,
    flags,
    path,
    hostName: 'box',
    drivers: testDrivers,
  });
}

function yaml(text: string, more: Given = {}): ResolvedConfig {
  return resolve({ files: { './helicorder.yaml': text }, ...more });
}

function errorOf(run: () => unknown): HelicorderError {
  try {
    run();
  } catch (error) {
    if (error instanceof HelicorderError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

function originOf({ values }: ResolvedConfig, key: string): string | undefined {
  return values.find((value) => value.key === key)?.origin;
}

describe('defaults', () => {
  test('nothing given records the network counters at 1 kHz', () => {
    expect(resolve({}).config).toEqual({
      copies: [],
      dataDir: './helicorder-data',
      flushIntervalMs: 100,
      segmentBytes: 64 * 2 ** 20,
      budget: { bytes: undefined, minFreeBytes: 0 },
      chunksDir: undefined,
      retention: [
        {
          pattern: '*',
          ageMs: undefined,
          bytes: undefined,
          onFull: 'reject-new',
          class: 'normal',
        },
      ],
      realtime: 'auto',
      cpu: -1,
      spinNanos: 0,
      cpuDmaLatencyMicros: undefined,
      durationMs: undefined,
      sources: [
        {
          name: 'network',
          driver: 'network',
          options: { statistics: ['rx_bytes', 'tx_bytes'] },
          stream: 'examples/network',
          rateHz: 1000,
          samplesPerEvent: 1000,
          timestampResolutionNanos: 1n,
          routingKey: 'box',
          writer: 'network',
        },
      ],
    });
  });

  test('all flags of run exist', () => {
    const flags = settingsOf(testDrivers).map(({ flag }) => flag);
    expect(flags).toEqual(
      expect.arrayContaining([
        ...['data-dir', 'source', 'interface', 'rate', 'samples-per-event', 'flush-ms', 'stream'],
        ...['routing-key', 'duration', 'realtime', 'cpu', 'timestamp-resolution', 'count'],
        ...['spin', 'cpu-dma-latency'],
        ...['channels', 'seed', 'statistics'],
        ...['budget-bytes', 'budget-min-free', 'chunks-dir', 'segment-size'],
        ...['retain-age', 'retain-bytes', 'on-full', 'class'],
      ]),
    );
  });
});

describe('flags', () => {
  test('each flag reaches its field', () => {
    const flags = {
      'data-dir': '/tmp/d',
      'flush-ms': '20',
      rate: '50',
      'samples-per-event': '10',
      'timestamp-resolution': '1us',
      'routing-key': 'k',
      stream: 'a/b',
      interface: 'lo',
      statistics: 'rx_bytes,rx_errors',
      duration: '60s',
      realtime: 'off',
      cpu: '1',
    };
    const { config } = resolve({ flags });
    expect(config).toMatchObject({
      dataDir: '/tmp/d',
      flushIntervalMs: 20,
      durationMs: 60_000,
      realtime: 'off',
      cpu: 1,
    });
    expect(config.sources[0]).toMatchObject({
      stream: 'a/b',
      rateHz: 50,
      samplesPerEvent: 10,
      timestampResolutionNanos: 1000n,
      routingKey: 'k',
      options: { interface: 'lo', statistics: ['rx_bytes', 'rx_errors'] },
    });
  });

  test('count multiplies a synthetic source, with a seed for each', () => {
    const { config } = resolve({ flags: { source: 'synthetic', count: '3', channels: '8' } });
    expect(config.sources.map(({ stream }) => stream)).toEqual([
      'examples/network-0',
      'examples/network-1',
      'examples/network-2',
    ]);
    expect(config.sources.map(({ options }) => options)).toEqual([
      { channels: 8, seed: 1 },
      { channels: 8, seed: 2 },
      { channels: 8, seed: 3 },
    ]);
    expect(new Set(config.sources.map(({ name }) => name)).size).toBe(3);
  });

  test('an interface whose name is a number stays a text', () => {
    const { config } = resolve({ flags: { interface: '7' } });
    expect(config.sources[0]?.options.interface).toBe('7');
  });

  test.each([
    [{ rate: '0' }, '--rate', /0\.1 to 20000 Hz/],
    [{ rate: 'fast' }, '--rate', /not a rate/],
    [{ duration: '60' }, '--duration', /has no unit/],
    [{ 'flush-ms': '100ms' }, '--flush-ms', /number of milliseconds/],
    [{ 'flush-ms': '0' }, '--flush-ms', /must be 1ms/],
    [{ stream: 'network' }, '--stream', /scope\/name/],
    [{ realtime: 'yes' }, '--realtime', /auto/],
    [{ count: '2' }, '--count', /synthetic/],
    [{ 'on-full': 'drop' }, '--on-full', /reject-new.*drop-oldest/],
    [{ 'retain-age': '30' }, '--retain-age', /has no unit/],
    [{ 'budget-bytes': '4MiB' }, '--budget-bytes', /must be at least 16 MiB/],
    [{ source: 'syntetic' }, '--source', /did you mean "synthetic"/],
    [{ 'samples-per-event': '0' }, '--samples-per-event', /: must be at least 1$/],
    [{ 'samples-per-event': '1.5' }, '--samples-per-event', /: must be a whole number, not 1.5$/],
    [{ cpu: '4096' }, '--cpu', /: must be at most 4095$/],
    [{ cpu: 'x' }, '--cpu', /: "x" is no number$/],
  ] as [Record<string, string>, string, RegExp][])(
    'a bad flag is a misuse that names it: %j',
    (flags, option, message) => {
      const error = errorOf(() => resolve({ flags }));
      expect([error.code, error.exitCode, error.details.option]).toEqual(['USAGE', 64, option]);
      expect(error.message).toMatch(message);
    },
  );
});

describe('an unknown word in a flag', () => {
  test.each([
    [{ statistics: 'rx_bites' }, '--statistics: "rx_bites" is unknown, did you mean "rx_bytes"?'],
    [
      { statistics: 'rx_bytes,tx_eror' },
      '--statistics: "tx_eror" is unknown, did you mean "rx_errors"?',
    ],
    [{ realtime: 'requir' }, '--realtime: "requir" is unknown, did you mean "require"?'],
    [{ source: 'synthetik' }, '--source: no driver "synthetik", did you mean "synthetic"?'],
  ])('%j is refused with the nearest valid one', (flags, message) => {
    const error = errorOf(() => resolve({ flags }));
    expect([error.exitCode, error.message]).toEqual([64, message]);
  });
});

describe('what is no flag', () => {
  test.each([
    [{ straem: 'a/b' }, '--straem: unknown flag, did you mean "stream"?'],
    [
      { samplesPerEvent: '5' },
      '--samplesPerEvent: unknown flag, did you mean "samples-per-event"?',
    ],
    [{ budget: '16MiB' }, '--budget: unknown flag, known: budget-bytes, budget-min-free'],
    [{ '--rate': '5' }, '--rate: unknown flag, did you mean "rate"?'],
    [{ rate: 1000 }, '--rate: expected text, as on the command line'],
    [{ rate: null }, '--rate: expected text, as on the command line'],
  ])('%o is refused', (flags, message) => {
    const error = errorOf(() => resolve({ flags: flags as unknown as Record<string, string> }));
    expect(error).toMatchObject({ code: 'USAGE', message });
  });

  test('a flag without a value is not given', () => {
    const flags = { rate: undefined } as unknown as Record<string, string>;
    expect(resolve({ flags }).config.sources[0]!.rateHz).toBe(1000);
  });
});

test('a driver that no recorder has is refused, and where it belongs is said', () => {
  const mine = { ...testDrivers[0]!, kind: 'mine' };
  const request = { files: memoryFiles({}), environment: {}, hostName: 'box' };
  const error = errorOf(() => resolveConfig({ ...request, drivers: [...testDrivers, mine] }));
  expect(error.code).toBe('USAGE');
  expect(error.message).toContain('none of the kind "mine", only network, synthetic, sysfs; one');
});

describe('precedence', () => {
  const files = { './helicorder.yaml': 'sources:\n  - source: network\n    rate: 10\n' };

  test('flag over environment over file over default, and each value knows its origin', () => {
    const environment = { HELICORDER_RATE: '20' };
    const cases: [Given, number, string][] = [
      [{}, 1000, 'default'],
      [{ files }, 10, './helicorder.yaml:3'],
      [{ files, environment }, 20, 'HELICORDER_RATE'],
      [{ files, environment, flags: { rate: '30' } }, 30, '--rate'],
    ];
    for (const [given, rateHz, origin] of cases) {
      const resolved = resolve(given);
      expect(resolved.config.sources[0]?.rateHz).toBe(rateHz);
      expect(originOf(resolved, 'sources[0].rate')).toBe(origin);
    }
  });

  test('defaults of the file apply to sources that say nothing', () => {
    const resolved = yaml('defaults: {rate: 5}\nsources: [{source: network}]\n');
    expect(resolved.config.sources[0]?.rateHz).toBe(5);
    expect(originOf(resolved, 'sources[0].rate')).toBe('./helicorder.yaml:1');
  });

  test('--source takes the place of the sources of the file, its store stays', () => {
    const text = 'store: {dir: /d}\nsources: [{source: network, interface: lo}]\n';
    const { config } = yaml(text, { flags: { source: 'synthetic' } });
    expect(config.dataDir).toBe('/d');
    expect(config.sources.map(({ driver }) => driver)).toEqual(['synthetic']);
  });

  test('a flag for one source is refused where there are several, a shared one is not', () => {
    const text = 'sources: [{source: network}, {source: synthetic, stream: a/c}]\n';
    const { config } = yaml(text, { flags: { rate: '7' } });
    expect(config.sources.map(({ rateHz }) => rateHz)).toEqual([7, 7]);
    const error = errorOf(() => yaml(text, { flags: { stream: 'a/b' } }));
    expect(error.message).toMatch(/--stream: is for one source, the configuration has 2/);
    expect(error.exitCode).toBe(64);
  });

  test('a bad variable is an error of configuration that names it', () => {
    const error = errorOf(() => resolve({ environment: { HELICORDER_FLUSH_MS: 'x' } }));
    expect([error.code, error.exitCode]).toEqual(['CONFIG', 78]);
    expect(error.message).toMatch(/^HELICORDER_FLUSH_MS: /);
  });
});

describe('errors in files', () => {
  test.each([
    ['sotre: {dir: x}', ':1: sotre: unknown key, did you mean "store"?'],
    ['store:\n  dir: x\n  flsh: 1s', ':3: store.flsh: unknown key, did you mean "flush"?'],
    [
      'sources:\n  - source: network\n    rat: 5',
      ':3: sources[0].rat: unknown key, did you mean "rate"?',
    ],
    ['sources:\n  - source: network\n    interfce: lo', 'did you mean "interface"?'],
    ['defaults:\n  rte: 1', ':2: defaults.rte: unknown key, did you mean "rate"?'],
    ['store:\n  flush: 100', ':2: store.flush: 100 has no unit'],
    ['store:\n  segmentSize: 3MB', ':2: store.segmentSize: must be whole MiB'],
    [
      'sources:\n  - source: netwrk',
      ':2: sources[0].source: no driver "netwrk", did you mean "network"?',
    ],
    ['sources:\n  - rate: 5', ':2: sources[0]: "source" is missing'],
    [
      'sources:\n  - source: network\n    stream: "a b"',
      ':3: sources[0].stream: must be scope/name',
    ],
    ['store:\n  budget: 20GiB', ':2: store.budget: expected keys, as in {bytes: 20GiB'],
    [
      'store:\n  budget:\n    byte: 20GiB',
      ':3: store.budget.byte: unknown key, did you mean "bytes"',
    ],
    ['chunks: {dri: /x}', ':1: chunks.dri: unknown key, did you mean "dir"?'],
    ['copies:\n  - to: /x', ':2: copies[0].from: is missing'],
    ['copies:\n  - fom: a/*\n    to: /x', ':2: copies[0].fom: unknown key, did you mean "from"?'],
    [
      'defaults:\n  retain:\n    ages: 30d',
      'defaults.retain.ages: unknown key, did you mean "age"?',
    ],
    [
      'sources:\n  - source: network\n    retain:\n      byte: 1GiB',
      ':4: sources[0].retain.byte: unknown key, did you mean "bytes"?',
    ],
    [
      'streams:\n  - stream: a/*\n    clas: bulk',
      ':3: streams[0].clas: unknown key, did you mean "class"',
    ],
    ['streams: [{stream: plant*}]', 'streams[0].stream: must be scope/name, with * for any part'],
    ['streams: [{class: bulk}]', 'streams[0].stream: is missing'],
    ['defaults: {retain: {age: 30d, bytes: 0B}}', 'must be at least 1 B'],
    ['sources:\n  - network', ':2: sources[0]: expected keys such as'],
    ['sources: [{source: network, statistics: 5}]', 'expected "all"; or expected array'],
    [
      'sources:\n  - source: network\n    statistics: [rx_bytes, tx_bites]',
      ':3: sources[0].statistics[1]: "tx_bites" is unknown, did you mean "tx_bytes"?',
    ],
    [
      'sources: [{source: network, statistics: [zebra]}]',
      '"zebra" is unknown, known: rx_bytes, tx_bytes, rx_errors',
    ],
    ['realtime: of', ':1: realtime: "of" is unknown, did you mean "off"?'],
    ['sources: []', ':1: sources: there is nothing to record'],
    ['sources: [{source: network}, {source: network}]', '"examples/network" is used by another'],
    ['store: [', ':1: '],
    ['- a', 'expected keys'],
    ['store: {dir: "${NO_SUCH}"}', ':1: ${NO_SUCH} is not set'],
  ])('%j says where and what', (text, message) => {
    const error = errorOf(() => yaml(text));
    expect(error.message).toContain(message);
    expect(error.message).toContain('./helicorder.yaml');
    expect([error.code, error.exitCode]).toEqual(['CONFIG', 78]);
  });

  test('a file that does not exist is named', () => {
    const error = errorOf(() => resolve({ path: 'no.yaml' }));
    expect(error.message).toBe('no.yaml: cannot be read: ENOENT');
  });

  test('TOML is the same schema, an error names the key path', () => {
    const text = '[store]\nflush = "50ms"\n[[sources]]\nsource = "network"\nrat = 5\n';
    const error = errorOf(() => resolve({ path: 'c.toml', files: { 'c.toml': text } }));
    expect(error.message).toBe('c.toml: sources[0].rat: unknown key, did you mean "rate"?');
    const broken = errorOf(() => resolve({ path: 'c.toml', files: { 'c.toml': 'a = 1\nb = ' } }));
    expect(broken.message).toMatch(/^c\.toml:2: /);
  });
});

describe('variables in files', () => {
  test('a variable, its default, and a number made of one', () => {
    const text =
      'store: {dir: "${ROOT:-/var}/x"}\nsources: [{source: network, rate: "${R:-50}"}]\n';
    expect(yaml(text).config.dataDir).toBe('/var/x');
    expect(yaml(text).config.sources[0]?.rateHz).toBe(50);
    const { config } = yaml(text, { environment: { ROOT: '/srv', R: '60' } });
    expect(config.dataDir).toBe('/srv/x');
    expect(config.sources[0]?.rateHz).toBe(60);
  });

  test('a variable cannot change the structure of a file', () => {
    const environment = { D: 'x}\nrealtime: off' };
    const { config } = yaml('store: {dir: "${D}"}', { environment });
    expect([config.dataDir, config.realtime]).toEqual(['x}\nrealtime: off', 'auto']);
  });
});

describe('search', () => {
  test('conf.d lies over the system file, its sources are added', () => {
    const dir = '/etc/helicorder';
    const { config, paths } = resolve({
      files: {
        [`${dir}/helicorder.yaml`]: 'store: {dir: /a, flush: 1s}\nsources: [{source: network}]\n',
        [`${dir}/conf.d/20.toml`]: '[[sources]]\nsource = "synthetic"\nstream = "a/b"\n',
        [`${dir}/conf.d/10.yaml`]: 'store: {dir: /b}\n',
        [`${dir}/conf.d/notes.txt`]: 'not a configuration',
      },
    });
    expect(paths).toEqual(
      ['helicorder.yaml', 'conf.d/10.yaml', 'conf.d/20.toml'].map((p) => `${dir}/${p}`),
    );
    expect([config.dataDir, config.flushIntervalMs]).toEqual(['/b', 1000]);
    expect(config.sources.map(({ driver }) => driver)).toEqual(['network', 'synthetic']);
  });

  test('a local file hides the system one', () => {
    const files = { './helicorder.yaml': 'cpu: 1', '/etc/helicorder/helicorder.yaml': 'cpu: 2' };
    expect(resolve({ files }).config.cpu).toBe(1);
  });
});
