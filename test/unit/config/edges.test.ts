/** Configurations as people write them by mistake: where it is, what was expected. */
import { describe, expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { DRIVERS } from '../../../engine/drivers/registry.ts';
import { memoryFiles } from '../../support/memory-files.ts';

interface Given {
  file?: string;
  environment?: Record<string, string>;
  flags?: Record<string, string>;
}

function resolve(text: string, given: Given = {}): ResolvedConfig {
  const { file = './helicorder.yaml', environment = {}, flags = {} } = given;
  const files = memoryFiles(text === '' ? {} : { [file]: text });
  const path = text === '' ? undefined : file;
  return resolveConfig({ files, path, environment, flags, hostName: 'box', drivers: DRIVERS });
}

/** `code: message` */
function errorOf(text: string, given: Given = {}): string {
  try {
    resolve(text, given);
  } catch (error) {
    if (error instanceof HelicorderError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('expected an error');
}

describe('names of channels of a sysfs source', () => {
  const withNames = (...names: string[]): string => {
    const channels = names.map((name) => `      - {name: "${name}", path: /proc/loadavg}\n`);
    return `sources:\n  - source: sysfs\n    channels:\n${channels.join('')}`;
  };

  test.each([
    ['twice', ['A', 'B', 'A'], 'channels[2].name: "A" is the name of another channel'],
    ['too long', ['x'.repeat(256)], 'channels[0].name: must be text of 1 to 255 bytes, not 256'],
    ['a key', ['A', 'RemoteAddr'], 'channels[1].name: "RemoteAddr" is a key that every event has'],
  ])('%s', (_, names, why) => {
    expect(errorOf(withNames(...names))).toBe(`CONFIG: ./helicorder.yaml:3: sources[0].${why}`);
  });
});

test.each(['${NOPE:?missing}', '${NOPE-def}', '${}', 'a${B', '${A:-${B}}'])(
  '%s is no form of a variable: it is not taken as it stands',
  (text) => {
    const known = 'known are ${VAR} and ${VAR:-default}';
    expect(errorOf(`store:\n  dir: "${text}"\n`, { environment: { B: 'b' } })).toBe(
      `CONFIG: ./helicorder.yaml:2: "${text}" has a form of \${…} that is not known; ${known}`,
    );
  },
);

describe('a number is the text of a key that takes text', () => {
  test('from a variable, in a source and beside it', () => {
    const { config } = resolve(
      'defaults: {routingKey: "${RK}"}\nstore: {dir: "${RK}"}\n' +
        'sources: [{source: synthetic, writer: "${RK}"}]\n',
      { environment: { RK: '7' } },
    );
    expect(config.dataDir).toBe('7');
    expect(config.sources[0]).toMatchObject({ routingKey: '7', writer: '7' });
  });

  test('from each, and of a channel', () => {
    const { config } = resolve(
      'sources:\n  - source: sysfs\n    each: {n: 1..2}\n    stream: "a/{n}"\n' +
        '    name: "{n}"\n    channels: [{name: "{n}", path: /proc/loadavg}]\n',
    );
    expect(config.sources.map(({ name }) => name)).toEqual(['1', '2']);
    expect(config.sources[1]!.options.channels).toMatchObject([{ name: '2' }]);
  });

  test('and no text for a key that takes a number', () => {
    expect(errorOf('sources: [{source: synthetic, seed: x}]\n')).toContain('"x" is no number');
  });
});

describe('what is said names what is wrong', () => {
  test('a key that is missing behind --source', () => {
    expect(errorOf('', { flags: { source: 'sysfs' } })).toBe(
      'USAGE: --source: "channels" is missing',
    );
    const environment = { HELICORDER_SOURCE: 'sysfs' };
    expect(errorOf('', { environment })).toBe('CONFIG: HELICORDER_SOURCE: "channels" is missing');
  });

  test('a number that is not whole', () => {
    expect(errorOf('', { flags: { cpu: '1.5' } })).toBe(
      'USAGE: --cpu: must be a whole number, not 1.5',
    );
  });

  test('how many numbers each may have', () => {
    const text = 'sources: [{source: synthetic, stream: "a/{n}", each: {n: 0..5000}}]\n';
    expect(errorOf(text)).toContain('each.n: has 5001 numbers, at most 4096');
    expect(errorOf(text.replace('0..5000', '9..1'))).toContain('expected a list such as [a, b]');
  });

  test('an alias that nothing was named for, with its line', () => {
    expect(errorOf('store:\n  dir: *nowhere\n')).toBe(
      'CONFIG: ./helicorder.yaml:2: *nowhere stands for nothing: no &nowhere',
    );
    expect(resolve('store: {dir: &d here}\nchunks: {dir: *d}\n').config.chunksDir).toBe('here');
  });

  test('a date of TOML', () => {
    const text = 'duration = 2026-01-02\n';
    expect(errorOf(text, { file: './helicorder.toml' })).toContain('2026-01-02');
  });
});

test.each([
  ['of two entries', '  - {source: synthetic, stream: a/b, count: 4096}\n'.repeat(2), '[1]'],
  ['of one', '  - {source: synthetic, stream: "a/{n}", each: {n: 0..99}, count: 99}\n', '[0]'],
])('all sources %s together are at most 4096', (_, entries, at) => {
  const error = errorOf(`sources:\n${entries}`);
  expect(error).toContain(`sources${at}: `);
  expect(error).toContain('4096');
});

describe('a variable that would do nothing', () => {
  test('is an error that names the nearest', () => {
    expect(errorOf('', { environment: { HELICORDER_RAET: '5' } })).toBe(
      'CONFIG: HELICORDER_RAET: unknown variable, did you mean "HELICORDER_RATE"?',
    );
  });

  test('is none if a file names it, a test of ours does, or Kubernetes has made it', () => {
    const environment = {
      ...{ HELICORDER_PLACE: 'x', HELICORDER_SOAK: '1', HELICORDER_UNSET: '' },
      ...{ HELICORDER_SERVICE_HOST: '10.0.0.1', HELICORDER_PORT: 'tcp://10.0.0.1:80' },
    };
    const { config } = resolve('store: {dir: "${HELICORDER_PLACE}"}\n', { environment });
    expect(config.dataDir).toBe('x');
  });
});
