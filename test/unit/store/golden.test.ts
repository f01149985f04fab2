/** The log of version 1 as it lies on disks: `test/support/golden-log.ts` says what it holds. */
import { cpSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Store } from '../../../engine/store/store.ts';
import { cat } from '../../../engine/tools/cat.ts';
import type { CatOptions } from '../../../engine/tools/types.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { makeGoldenLog } from '../../support/golden-log.ts';
import { makeGoldenSpill } from '../../support/golden-spill.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/log-v1', import.meta.url));
const SPILL_FIXTURE = fileURLToPath(new URL('../../fixtures/spill-v1', import.meta.url));

/** Readers make a lock file beside the log, so they get a copy. */
function goldenCopy(fixture = FIXTURE): string {
  const dir = join(temporaryDirectory(), 'store');
  cpSync(fixture, dir, { recursive: true });
  return dir;
}

async function printed(dir: string, stream: string, format: CatOptions['format']): Promise<string> {
  const store = Store.open(dir);
  const pieces: (string | Uint8Array)[] = [];
  const options = { from: 'start' as const, follow: false, withLedger: format === 'json' };
  const onDamage = (damage: unknown): void => expect.fail(JSON.stringify(damage));
  for await (const piece of cat(store, { ...options, stream, format: format!, onDamage })) {
    pieces.push(piece);
  }
  store.close();
  return pieces.join('');
}

/**
 * Epochs are random; when an event was accepted depends on how often the writer had read the
 * golden clock by then.
 */
const comparable = (text: string): string =>
  text.replace(/"epoch":"\d+",?/g, '').replace(/("type":"event",)"timestampNanos":"\d+",/g, '$1');

const EXPECTED = [
  ['golden/samples', 'json', 'expected-samples.json'],
  ['golden/samples', 'ndjson-records', 'expected-samples.ndjson'],
  ['golden/samples', 'csv', 'expected-samples.csv'],
  ['golden/events', 'ndjson-records', 'expected-events.ndjson'],
] as const;

describe('the golden log of version 1', () => {
  it.each(EXPECTED)('is read: %s as %s', async (stream, format, file) => {
    const text = readFileSync(join(FIXTURE, file), 'utf8');
    expect(await printed(goldenCopy(), stream, format)).toBe(text);
  });

  it('is sound, with a torn write behind each of the three crashes', async () => {
    const report = await verify(goldenCopy());
    expect(report.damage).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.tornTails).toHaveLength(3);
    const samples = report.streams.find(({ name }) => name === 'golden/samples')!;
    expect(samples).toMatchObject({
      ticksScheduled: '346',
      samples: '90',
      gaps: [
        { reason: 'late', ticks: '15' },
        { reason: 'device', ticks: '10' },
        { reason: 'crash', ticks: '231' },
      ],
    });
  });

  it('is recorded on into, and what was there stays as it was', async () => {
    const dir = goldenCopy();
    const writer = openWriter(dir);
    writer.appendEvents(beginEvents(writer, 'golden/events', 'program'), [bytes('a later life')]);
    writer.close();
    const events = await printed(dir, 'golden/events', 'ndjson-records');
    const before = readFileSync(join(FIXTURE, 'expected-events.ndjson'), 'utf8');
    expect(events.startsWith(before)).toBe(true);
    expect(events.slice(before.length)).toContain('"data":"a later life"');
    expect(await verify(dir)).toMatchObject({ ok: true, damage: [] });
  });

  it.each(EXPECTED)('reads as what is written today: %s as %s', async (stream, format, file) => {
    const dir = temporaryDirectory();
    makeGoldenLog(dir);
    const text = readFileSync(join(FIXTURE, file), 'utf8');
    expect(comparable(await printed(dir, stream, format))).toBe(comparable(text));
  });
});

describe('the golden spill of version 1', () => {
  it.each(EXPECTED)('is read: %s as %s', async (stream, format, file) => {
    const dir = goldenCopy(SPILL_FIXTURE);
    const text = readFileSync(join(FIXTURE, file), 'utf8');
    expect(comparable(await printed(dir, stream, format))).toBe(comparable(text));
    expect(await verify(dir)).toMatchObject({ ok: true, damage: [] });
  });

  it.each(EXPECTED)('reads as what is written today: %s as %s', async (stream, format, file) => {
    const dir = temporaryDirectory();
    await makeGoldenSpill(goldenCopy(), dir);
    const text = readFileSync(join(FIXTURE, file), 'utf8');
    expect(comparable(await printed(dir, stream, format))).toBe(comparable(text));
  });
});

it.each([FIXTURE, SPILL_FIXTURE])('docs/format-log.md names every key that is in %s', (fixture) => {
  const doc = readFileSync(new URL('../../../docs/format-log.md', import.meta.url), 'utf8');
  const log = join(fixture, 'log');
  const texts = readdirSync(log).map((name) => readFileSync(join(log, name), 'latin1'));
  const keys = texts.flatMap((all) => [...all.matchAll(/[{,]"([a-zA-Z]\w+)":/g)]);
  const names = new Set(keys.map(([, key]) => key!));
  expect(names.size).toBeGreaterThan(30);
  expect([...names].filter((key) => !new RegExp(`\\b${key}\\b`).test(doc))).toEqual([]);
});
