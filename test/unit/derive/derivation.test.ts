/** What becomes of records: each by itself, whatever pieces they come in. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Channel, ChannelType, Schema } from '../../../engine/batch/schema.ts';
import { decodeRaw } from '../../../engine/batch/samples.ts';
import { Derivation, loadDerivation } from '../../../engine/derive/derivation.ts';
import type { LoadedTransform } from '../../../engine/derive/transform-file.ts';
import { defineTransform, type Transform } from '../../../engine/derive/transform.ts';
import { Where } from '../../../engine/derive/where.ts';
import { cutPiece } from '../../../engine/targets/pieces.ts';
import { Chain } from '../../../engine/txn/chain.ts';
import { decodePieces, encodePieces } from '../../../engine/txn/piece-format.ts';
import type { Origin, Piece } from '../../../engine/txn/piece.ts';
import { chainReference } from '../../support/chain-reference.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { meantRecords, piecesOf, recordTexts, testOrigin } from '../../support/pieces.ts';
import { SEED, SeededRandom, repeats } from '../../support/random.ts';

function loaded<T>(given: Transform<T>, options = {}): LoadedTransform {
  const transform = given as Transform;
  return { file: 't.js', transform, options: { ...transform.options, ...options } };
}

const where = new Derivation({ where: new Where('X > 0 || Small > 0.5') }, 'USAGE');

const doubled = defineTransform<{ least: number }>({
  name: 'doubled',
  options: { least: 0 },
  schema: () => ({
    kind: 'samples',
    channels: [
      { name: 'X2', type: 'i32', unit: '', scale: 1, offset: 0 },
      { name: 'Wide', type: 'u64', unit: '', scale: 1, offset: 0 },
    ],
  }),
  batch({ columns, rows }, { least }) {
    const X2 = Int32Array.from({ length: rows }, (_, i) => Number(columns['X']![i]) * 2);
    return { columns: { Wide: columns['Wide']!, X2 }, keep: X2.map((x) => (x >= least ? 1 : 0)) };
  },
});

const backwards = defineTransform({
  kind: 'events',
  name: 'backwards',
  options: {},
  batch: ({ events }) => events.map((event) => (event.length % 3 === 0 ? null : reversed(event))),
});

function reversed(event: Uint8Array): Uint8Array {
  return event.slice().reverse();
}

/** A sample as its text says it. */
interface Told {
  identity: string;
  ordinal: string;
  tick: string;
  times: string;
  values: string[];
}

/** Each record's text, or what a test says of it. */
function textsWith(piece: Piece, sample: (told: Told) => string): string[] {
  return recordTexts(piece).map((text) => {
    const found = /^(.*) sample (\d+) (\d+) (\S+ \S+) (.*)$/.exec(text);
    if (!found) return text;
    const [, identity, ordinal, tick, times, values] = found as unknown as string[];
    return sample({
      ...{ identity: identity!, ordinal: ordinal!, tick: tick!, times: times! },
      values: values!.split(' '),
    });
  });
}

function left({ identity, ordinal, tick }: Told): string {
  return `${identity} filtered ${ordinal} ${tick}`;
}

function told({ identity, ordinal, tick, times }: Told, values: unknown[]): string {
  return `${identity} sample ${ordinal} ${tick} ${times} ${values.join(' ')}`;
}

/** The same records however they are cut, before or after, and the chain over them. */
function expectDerived(
  derivation: Derivation,
  kind: 'samples' | 'opaque',
  expected: (piece: Piece) => string[],
): void {
  for (let seed = SEED; seed < SEED + repeats(150); seed++) {
    const random = new SeededRandom(seed);
    const origin = testOrigin(kind, 1 + random.below(2));
    const records = meantRecords(random, 1 + random.below(200), origin);
    const whole = piecesOf(records, origin, () => false);
    const cut = piecesOf(records, origin, () => random.below(4) === 0);
    const at = `HELICORDER_SEED=${seed}`;
    const [one, other] = [whole, cut].map((pieces) => pieces.flatMap((p) => derivation.derive(p)));
    const texts = one!.flatMap(recordTexts);
    expect(texts, at).toEqual(whole.flatMap(expected));
    expect(other!.flatMap(recordTexts), at).toEqual(texts);
    const chain = chainReference(0n, one!);
    expect(chainReference(0n, other!), at).toBe(chain);
    expect(chainOf(one!), at).toBe(chain);
    expect(chainOf(other!), at).toBe(chain);
    expect(chainOf(one!.flatMap((piece) => cutInTwo(piece, random))), at).toBe(chain);
    expect(chainOf(decodePieces(encodePieces(other!))), at).toBe(chain);
  }
}

function chainOf(pieces: readonly Piece[]): bigint {
  const chain = new Chain();
  for (const piece of pieces) chain.add(piece);
  return chain.value;
}

/** A gap of lost records is one record, and stays whole. */
function cutInTwo(piece: Piece, random: SeededRandom): Piece[] {
  const { content, seqs } = piece;
  const isLost = content.kind === 'gap' && content.gap.reason !== 'filtered';
  if (isLost || seqs === 1) return [piece];
  const at = 1 + random.below(seqs - 1);
  return [cutPiece(piece, 0, at), cutPiece(piece, at, seqs)];
}

describe('records that are derived', () => {
  test('by an expression: those are kept that a filter of the decoded records keeps', () => {
    expectDerived(where, 'samples', (piece) =>
      textsWith(piece, (sample) => {
        const [, , x, , small] = sample.values.map(Number);
        return x! > 0 || small! > 0.5 ? told(sample, sample.values) : left(sample);
      }),
    );
  });

  test('by a transform: other columns, fewer samples, the same numbers and times', () => {
    const derivation = new Derivation({ transform: loaded(doubled) }, 'USAGE');
    expectDerived(derivation, 'samples', (piece) =>
      textsWith(piece, (sample) => {
        const [wide, , x] = sample.values;
        return Number(x) >= 0 ? told(sample, [Number(x) * 2, wide]) : left(sample);
      }),
    );
  });

  test('by both: the expression is over the channels of the source', () => {
    const only = new Where('X < 20 && Level == Level');
    const derivation = new Derivation(
      { where: only, transform: loaded(doubled, { least: -1000 }) },
      'USAGE',
    );
    expectDerived(derivation, 'samples', (piece) =>
      textsWith(piece, (sample) => {
        const [wide, , x] = sample.values;
        const isKept = Number(x) * 0.001 < 20 && Number(x) * 2 >= -1000;
        return isKept ? told(sample, [Number(x) * 2, wide]) : left(sample);
      }),
    );
  });

  test('all of them left out, or none', () => {
    for (const text of ['0', '1']) {
      const derivation = new Derivation({ where: new Where(text) }, 'USAGE');
      expectDerived(derivation, 'samples', (piece) =>
        textsWith(piece, (sample) => (text === '1' ? told(sample, sample.values) : left(sample))),
      );
    }
  });

  test('opaque events, by a transform', () => {
    const derivation = new Derivation({ transform: loaded(backwards) }, 'USAGE');
    expectDerived(derivation, 'opaque', (piece) =>
      recordTexts(piece).map((text) => {
        const [, start, hex] = /^(.* event \S+ )(.*)$/.exec(text) ?? [];
        if (start === undefined) return text;
        const bytes = Buffer.from(hex!, 'hex');
        if (bytes.length % 3 > 0) return start + Buffer.from(reversed(bytes)).toString('hex');
        return text.replace(/ event .*/, ' filtered');
      }),
    );
  });

  test('of which all is kept are passed on as they are stored', () => {
    const all = new Derivation({ where: new Where('1') }, 'USAGE');
    const pieces = piecesOf(
      meantRecords(new SeededRandom(SEED), 50, testOrigin('samples')),
      testOrigin('samples'),
      () => false,
    );
    for (const piece of pieces) expect(all.derive(piece)[0]!.content).toBe(piece.content);
  });

  test('say of themselves what they are, one origin for each run', () => {
    const origin = testOrigin('samples');
    const pieces = piecesOf(meantRecords(new SeededRandom(SEED), 50, origin), origin, () => true);
    const origins = new Set(pieces.flatMap((piece) => where.derive(piece)).map((p) => p.origin));
    expect(origins.size).toBe(1);
    const [derived] = [...origins] as [Origin];
    const text = `where X > 0 || Small > 0.5 #${where.id}`;
    expect(derived).toEqual({ ...origin, attributes: [...origin.attributes, ['derived', text]] });
    const again = new Derivation({ transform: loaded(doubled) }, 'USAGE');
    const [twice] = again.derive({ ...pieces[0]!, origin: derived });
    const both = `${text}; doubled {"least":0} #${again.id}`;
    expect(twice!.origin.attributes.at(-1)).toEqual(['derived', both]);
  });

  test('another expression, transform or option is another derivation', () => {
    const ids = [
      where,
      new Derivation({ where: new Where('X > 0') }, 'USAGE'),
      new Derivation({ where: new Where('X > 0'), transform: loaded(doubled) }, 'USAGE'),
      new Derivation({ where: new Where('X > 0'), routingKey: 'k' }, 'USAGE'),
      new Derivation({ routingKey: 'k' }, 'USAGE'),
      new Derivation({ routingKey: 'l' }, 'USAGE'),
      new Derivation({ transform: loaded(doubled) }, 'USAGE'),
      new Derivation({ transform: loaded(doubled, { least: 1 }) }, 'USAGE'),
      new Derivation({ transform: loaded({ ...doubled, name: 'other' }) }, 'USAGE'),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
  });
});

describe('what a transform sees', () => {
  test('rows that are kept, raw and physical values, ticks and times', () => {
    const origin = testOrigin('samples');
    const sample = (tick: number) => {
      const values = [2n ** 64n - 1n, -1n, tick, tick / 4, 0.5];
      return { type: 'sample' as const, tick, lateness: 7n, values };
    };
    const [piece] = piecesOf([sample(5), sample(6), sample(7)], origin, () => false);
    const seen: unknown[] = [];
    const spy = defineTransform({
      name: 'spy',
      options: {},
      schema: (input) => input,
      batch: (input) => {
        const { rows, columns, ticks, timeNanos } = input;
        seen.push(
          rows,
          [...ticks],
          [...timeNanos].map((time) => time - timeNanos[0]!),
        );
        seen.push(columns['Wide'], [...input.physical('X')]);
        return { columns };
      },
    });
    const parts = { where: new Where('Level > 1.25'), transform: loaded(spy) };
    new Derivation(parts, 'USAGE').derive(piece!);
    expect(seen).toEqual([
      2,
      [6, 7],
      [0n, 1_000_000n],
      BigUint64Array.of(2n ** 64n - 1n, 2n ** 64n - 1n),
      [0.006, 0.007],
    ]);
  });
});

const ALL_TYPES: readonly [ChannelType, ArrayLike<number> | BigInt64Array | BigUint64Array][] = [
  ['i8', Int8Array.of(-128, 127)],
  ['u8', Uint8Array.of(0, 255)],
  ['i16', Int16Array.of(-32768, 32767)],
  ['u16', [0, 65535]],
  ['i32', Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
  ['u32', Float64Array.of(-0, 2 ** 32 - 1)],
  ['i64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
  ['u64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
  ['f32', [0.1, NaN]],
  ['f64', [0.1, -0]],
];

/** Two samples through a transform whose output is given. */
function through(type: ChannelType, result: unknown): Piece {
  const origin = testOrigin('samples');
  const sample = (tick: number) => {
    return { type: 'sample' as const, tick, lateness: 0n, values: [0n, 0n, 0, 0, 0] };
  };
  const channel: Channel = { name: 'Out', type, unit: '', scale: 1, offset: 0 };
  const transform = {
    name: 'given',
    options: {},
    schema: (): Schema => ({ kind: 'samples', channels: [channel] }),
    batch: () => result,
  } as Transform;
  const derivation = new Derivation({ transform: loaded(transform) }, 'CONFIG');
  const [piece] = piecesOf([sample(1), sample(2)], origin, () => false);
  return derivation.derive(piece!)[0]!;
}

describe('what a transform gives', () => {
  test.each(ALL_TYPES.map(([type]) => type))('values of %s come back', (type) => {
    const values = ALL_TYPES.find(([name]) => name === type)![1];
    const { content, origin } = through(type, { columns: { Out: values } });
    if (content.kind !== 'batch') throw new Error('expected a batch');
    const [column] = decodeRaw(content.times, content.batch, origin.schema).columns;
    const expected = Array.from(values as ArrayLike<number>, (value) =>
      type === 'f32' ? Math.fround(value) : type === 'u32' ? value + 0 : value,
    );
    expect([...(column as Float64Array)]).toEqual(expected);
  });

  const out = (values: unknown, keep?: unknown): unknown => ({ columns: { Out: values }, keep });
  test.each([
    ['i8', out([1, 128]), 'column Out is of type i8: row 1 is 128'],
    ['u8', out([-1, 1]), 'row 0 is -1'],
    ['i32', out([1, 0.5]), 'row 1 is 0.5'],
    ['u16', out([1, NaN]), 'row 1 is NaN'],
    ['i16', out([1, '2']), 'row 1 is no number'],
    ['i64', out([1n, 2n]), 'expected a BigInt64Array'],
    ['u64', out(BigInt64Array.of(1n, 2n)), 'expected a BigUint64Array'],
    ['f64', out([1]), 'column Out: has 1 values for 2 rows'],
    ['f64', out(7), 'column Out: is no array'],
    ['f64', { columns: {} }, 'column Out: is no array'],
    ['f64', { columns: { Out: [1, 2], Uot: [1, 2] } }, 'Uot is not in its schema'],
    ['f64', out([1, 2], [1]), 'keep: has 1 values for 2 rows'],
    ['f64', undefined, 'gives no object'],
    ['f64', {}, 'columns: gives no object'],
  ] as const)('is refused: %s, %#', (type, result, sentence) => {
    const derive = (): unknown => through(type, result);
    expect(derive).toThrow('t.js: transform given, over 2 rows');
    expect(derive).toThrow(sentence);
    expect(derive).toThrow(expect.objectContaining({ code: 'CONFIG' }));
  });

  test('an error of its own is told with file, name and rows', () => {
    const [piece] = piecesOf(
      [{ type: 'event', bytes: new Uint8Array(3), utcNanos: 1n }],
      testOrigin('opaque'),
      () => false,
    );
    const derived = (batch: () => unknown): unknown => {
      const transform = { ...backwards, batch } as Transform;
      return new Derivation({ transform: loaded(transform) }, 'USAGE').derive(piece!);
    };
    const fails = (): never => {
      throw new Error('no calibration');
    };
    const start = 't.js: transform backwards, over 1 rows';
    expect(() => derived(fails)).toThrow(`${start}: no calibration`);
    expect(() => derived(() => [])).toThrow(`${start}: has 0 values for 1 rows`);
    expect(() => derived(() => ['text'])).toThrow(
      `${start}: row 0 is neither a Uint8Array nor null`,
    );
  });

  test('a schema that is none is refused, and a stream of the other kind', () => {
    const { schema: input } = testOrigin('samples');
    const schemaOf = (schema: unknown, of = input): unknown => {
      const transform = { ...doubled, schema: () => schema } as unknown as Transform;
      return new Derivation({ transform: loaded(transform) }, 'USAGE').schemaOf(of);
    };
    expect(() => schemaOf({ kind: 'samples', channels: [] })).toThrow('list of 1 to');
    expect(() => schemaOf({ kind: 'opaque' })).toThrow('gives opaque events');
    expect(() => schemaOf(undefined)).toThrow('transform doubled, schema:');
    const isFor = 'is for streams of samples, and this one has opaque events';
    expect(() => schemaOf(input, { kind: 'opaque' })).toThrow(isFor);
    const events = new Derivation({ transform: loaded(backwards) }, 'USAGE');
    expect(() => events.schemaOf(input)).toThrow('is for streams of events');
    expect(events.schemaOf({ kind: 'opaque' })).toEqual({ kind: 'opaque' });
  });
});

describe('the file of a transform', () => {
  async function load(text: string, options?: Record<string, unknown>): Promise<unknown> {
    const file = join(temporaryDirectory(), 't.mjs');
    writeFileSync(file, text);
    return loadDerivation({ transform: { file, options } }, 'USAGE');
  }
  const good = 'export default {name: "n", options: {gain: 1}, schema: (s) => s, batch: (b) => b}';

  test('its options lie over the defaults, and those it does not have are refused', async () => {
    const plain = (await load(good)) as Derivation;
    expect(((await load(good, { gain: 1 })) as Derivation).id).toBe(plain.id);
    expect(((await load(good, { gain: 2 })) as Derivation).id).not.toBe(plain.id);
    await expect(load(good, { gian: 2 })).rejects.toThrow('gian is unknown; did you mean gain?');
    await expect(load(good, { gain: '2' })).rejects.toThrow('expected a number, not a string');
  });

  test.each([
    ['export const x = 1', 'its default export is not one of defineTransform'],
    [good.replace('"n"', '"a b"'), 'its name: not 1 to 100 of'],
    [good.replace('batch', 'bacth'), 'its batch'],
    [good.replace(', schema: (s) => s', ''), 'its schema'],
    ['export default 1 +', 'Unexpected'],
    ['import "helicorder-not-there"', 'packages are looked for beside the file'],
    ['throw new Error("at once")', 'at once'],
  ])('%s is refused', async (text, sentence) => {
    await expect(load(text)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(sentence) as string,
    });
  });
});
