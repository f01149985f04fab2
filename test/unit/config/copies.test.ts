/** `copies:` of a configuration: what it becomes, and what is refused, with its place. */
import { describe, expect, test } from 'vitest';
import { resolveConfig, type ResolvedConfig } from '../../../engine/config/config.ts';
import { cursorFor } from '../../../engine/config/copies.ts';
import { testDrivers } from '../../support/drivers.ts';
import { memoryFiles } from '../../support/memory-files.ts';

const SOURCES = 'sources: [{source: synthetic, stream: plant/x, count: 2}]';

function copies(...lines: string[]): ResolvedConfig {
  const text = ['copies:', ...lines.map((line) => `  - ${line}`), SOURCES].join('\n');
  const files = memoryFiles({ './helicorder.yaml': `${text}\n` });
  return resolveConfig({ files, environment: {}, hostName: 'box', drivers: testDrivers });
}

describe('what stream cp is told, a file says too', () => {
  test('where a copy begins, under which name, and how much it takes at once', () => {
    const { config, values } = copies(
      '{from: plant/x-0, to: /a, begin: tail, cursor: edge, batchRecords: 5000}',
      '{from: plant/*, to: /a, begin: 5000, cursor: "edge-{stream}"}',
      '{from: plant/*, to: /b}',
    );
    expect(config.copies).toMatchObject([
      { begin: 'tail', cursor: 'edge', batchRecords: 5000 },
      { begin: 5000, cursor: 'edge-{stream}' },
      { begin: 'start' },
    ]);
    expect(config.copies[2]).not.toHaveProperty('cursor');
    expect(config.copies[2]).not.toHaveProperty('batchRecords');
    const shown = values.filter(({ key }) => /begin|cursor|batch/.test(key));
    expect(shown.slice(0, 4)).toMatchObject([
      { key: 'copies[0].begin', value: 'tail', origin: './helicorder.yaml:2' },
      { key: 'copies[0].cursor', value: 'edge' },
      { key: 'copies[0].batchRecords', value: 5000 },
      { key: 'copies[1].begin', value: 5000 },
    ]);
    expect(shown.slice(-2)).toMatchObject([
      { key: 'copies[2].cursor', value: null, origin: 'default' },
      { key: 'copies[2].batchRecords', value: null },
    ]);
  });

  test('{stream} stands for the name of a stream, as far as a cursor may be long', () => {
    const [rule] = copies('{from: plant/*, to: /a, cursor: "{stream}.edge"}').config.copies;
    expect(cursorFor(rule!, 'plant/x-0')).toBe('plant.x-0.edge');
    expect(() => cursorFor(rule!, `plant/${'x'.repeat(100)}`)).toThrow('not the name of a cursor');
  });
});

test.each([
  [['{from: plant/*, to: /a, begin: soon}'], 'copies[0].begin: expected start, tail or an offset'],
  [['{from: plant/*, to: /a, begin: -1}'], 'copies[0].begin: expected start, tail or an offset'],
  [['{from: plant/*, to: /a, begin: 1.5}'], 'copies[0].begin: expected start, tail or an offset'],
  [
    ['{from: plant/*, to: /a, batchRecords: 0}'],
    'copies[0].batchRecords: expected a whole number from 1',
  ],
  [
    ['{from: plant/x, to: /a, cursor: a~b}'],
    'copies[0].cursor: "a~b" is not the name of a cursor: 1 to 100',
  ],
  [
    ['{from: plant/*, to: /a, cursor: edge}'],
    'copies[0].cursor: must contain {stream}: a cursor is of one stream',
  ],
  [
    ['{from: plant/x-0, to: /a, cursor: edge}', '{from: plant/x-1, to: /a, cursor: edge}'],
    'copies[1].cursor: "edge" is used by copies[0]: a cursor is of one stream and one target',
  ],
  [
    ['{from: a/*, to: /a, cursor: "c-{stream}"}', '{from: "*", to: /b, cursor: "c-{stream}"}'],
    'copies[1].cursor: "c-{stream}" is used by copies[0]',
  ],
  [
    [
      '{from: plant/*, to: /a, cursor: "c-{stream}"}',
      '{from: plant/x-1, to: /b, cursor: c-plant.x-1}',
    ],
    'copies[1].cursor: "c-plant.x-1" is used by copies[0]',
  ],
  [
    [`{from: "*", to: /a, cursor: "${'c'.repeat(94)}-{stream}"}`],
    'copies[0].cursor: of plant/x-0: ',
  ],
  [['{from: a/*, to: helicorder-data/}'], ':2: copies[0].to: is store.dir: '],
  [['{from: a/*, to: /a, cursr: c}'], ':2: copies[0].cursr: unknown key, did you mean "cursor"?'],
])('%j is refused', (lines, message) => {
  expect(() => copies(...lines)).toThrow(message);
  expect(() => copies(...lines)).toThrow(/helicorder\.yaml/);
});

test('the same name for streams of one target is no clash', () => {
  const lines = ['plant/x-0', 'plant/*'].map(
    (from) => `{from: ${from}, to: /a, cursor: "c-{stream}"}`,
  );
  expect(copies(...lines).config.copies).toHaveLength(2);
});
