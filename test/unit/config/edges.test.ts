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
