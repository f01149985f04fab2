import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { Chain, originDigest } from '../../../engine/txn/chain.ts';
import type { Piece } from '../../../engine/txn/piece.ts';
import { CHAIN_WORDS, native } from '../../../native/index.ts';
import { chainReference, digestReference } from '../../support/chain-reference.ts';
import { goldenChain, goldenPieces } from '../../support/golden-chain.ts';
import { meantRecords, piecesOf, testOrigin, type Meant } from '../../support/pieces.ts';
import { SEED, SeededRandom, repeats } from '../../support/random.ts';

function chainOf(pieces: readonly Piece[], from = 0n): bigint {
  const chain = new Chain(from);
  for (const piece of pieces) chain.add(piece);
  return chain.value;
}

const whole = (): boolean => false;

describe('the chain', () => {
  for (const kind of ['samples', 'opaque'] as const) {
    test(`of ${kind} is the same however the records are cut, and as the reference has it`, () => {
      for (let seed = SEED; seed < SEED + repeats(300); seed++) {
        const random = new SeededRandom(seed);
        const origin = testOrigin(kind, 1 + random.below(2));
        const records = meantRecords(random, 1 + random.below(300), origin);
        const uncut = piecesOf(records, origin, whole);
        const cut = piecesOf(records, origin, () => random.below(4) === 0);
        expect(chainOf(cut), `HELICORDER_SEED=${seed}`).toBe(chainOf(uncut));
        expect(chainReference(0n, uncut), `HELICORDER_SEED=${seed}`).toBe(chainOf(uncut));
      }
    });
  }

  test('does not depend on the numbers that only one store gives, nor on the codec', () => {
    const origin = testOrigin('samples');
    const [piece] = piecesOf(samples(10), origin, whole);
    if (piece?.content.kind !== 'batch') throw new Error('expected a batch');
    const { times, batch } = piece.content;
    const wide = new Uint8Array(BigUint64Array.from({ length: 10 }, (_, i) => BigInt(i)).buffer);
    const columns = [{ codec: 7, bytes: wide }, ...batch.columns.slice(1)];
    const numbers = { run: 1, firstOffset: 0, firstSeq: 9, timesDistance: 3, columns };
    const content = { kind: 'batch', times, batch: { ...batch, ...numbers } } as const;
    expect(chainOf([{ ...piece, lo: 77, content }])).toBe(chainOf([piece]));
  });

  test('goes on from any value that it had', () => {
    const origin = testOrigin('samples');
    const pieces = piecesOf(samples(100), origin, () => true);
    const half = chainOf(pieces.slice(0, 50));
    expect(chainOf(pieces.slice(50), half)).toBe(chainOf(pieces));
  });

  test('is another one if anything of a record is another', () => {
    const origin = testOrigin('samples');
    const base = chainOf(piecesOf(samples(50), origin, whole));
    const seen = new Set([base]);
    const differs = (name: string, change: (records: Meant[]) => void): void => {
      const records = samples(50);
      change(records);
      const chain = chainOf(piecesOf(records, origin, whole));
      expect(seen.has(chain), name).toBe(false);
      seen.add(chain);
    };
    for (let channel = 0; channel < 5; channel++) {
      differs(`value ${channel}`, (records) => {
        const { values } = records[20] as Meant & { type: 'sample' };
        const value = values[channel]!;
        values[channel] = typeof value === 'bigint' ? value + 1n : value + 1;
      });
    }
    differs('time', (records) => (records[20] = { ...sample(20), lateness: 6n }));
    differs('sign of zero', (records) => (records[20] = { ...sample(20), values: zero(-0) }));
    differs('order', (records) => {
      const [a, b] = [sample(20), sample(21)];
      records.splice(20, 2, { ...a, values: b.values }, { ...b, values: a.values });
    });
    differs('channels', (records) => {
      const [wide, signed, x, ...others] = sample(30).values;
      records[30] = { ...sample(30), values: [wide!, signed!, others[0]!, x!, others[1]!] };
    });
    differs('a gap', (records) => {
      records[20] = { type: 'gap', reason: 'late', tick: 20, ticks: 1, nanos: 0n };
    });
    differs('its reason', (records) => {
      records[20] = { type: 'gap', reason: 'device', tick: 20, ticks: 1, nanos: 0n };
    });
    differs('one left out', (records) => (records[20] = { type: 'filtered', tick: 20 }));
    differs('another one left out', (records) => (records[21] = { type: 'filtered', tick: 21 }));
    differs('less', (records) => records.pop());
  });

  test('is another one for another origin', () => {
    const origin = testOrigin('samples');
    const others = [
      { ...origin, writer: 'other' },
      { ...origin, epoch: origin.epoch + 1 },
      { ...origin, firstSeq: 2 },
      { ...origin, bootId: '' },
      { ...origin, attributes: [['RemoteAddr', 'debian']] as [string, string][] },
      { ...origin, clock: { ...origin.clock, utcNanos: 0n } },
    ];
    const digests = [origin, ...others].map(originDigest);
    expect(new Set(digests).size).toBe(digests.length);
  });

  test('every NaN is the same one', () => {
    const origin = testOrigin('samples');
    const [piece] = piecesOf([sample(1)], origin, whole);
    if (piece?.content.kind !== 'batch') throw new Error('expected a batch');
    const { times, batch } = piece.content;
    const withBits = (bits: bigint): bigint => {
      const bytes = new Uint8Array(BigUint64Array.of(bits).buffer);
      const columns = batch.columns.map((column, i) => (i === 3 ? { codec: 7, bytes } : column));
      return chainOf([
        { ...piece, content: { kind: 'batch', times, batch: { ...batch, columns } } },
      ]);
    };
    expect(withBits(0xfff8000000000001n)).toBe(withBits(0x7ff8000000000000n));
    expect(withBits(0x7ff0000000000000n)).not.toBe(withBits(0x7ff8000000000000n));
  });

  test('entries that do not decode are damage, not a crash', () => {
    const [piece] = piecesOf(samples(3), testOrigin('samples'), whole);
    if (piece?.content.kind !== 'batch') throw new Error('expected a batch');
    const { times, batch } = piece.content;
    const content = {
      kind: 'batch',
      times,
      batch: { ...batch, columns: batch.columns.slice(1) },
    } as const;
    expect(() => chainOf([{ ...piece, content }])).toThrow(HelicorderError);
  });

  test('is what it was in version 1, byte for byte', () => {
    const golden = JSON.parse(
      readFileSync(new URL('../../fixtures/chain-v1.json', import.meta.url), 'utf8'),
    ) as unknown;
    expect(goldenChain(goldenPieces())).toEqual(golden);
  });
});

describe('the addon', () => {
  test('digests bytes of any length as the reference does', () => {
    const random = new SeededRandom(SEED);
    for (let length = 0; length < 70; length++) {
      const bytes = random.bytes(length + 1).subarray(1);
      expect(native.chainDigest(bytes)).toBe(digestReference(bytes));
    }
  });

  test('takes no samples, columns or words beyond what it was given', () => {
    const state = BigUint64Array.of(3n);
    const stretch = BigInt64Array.of(1n, 1n, 0n, 1n, 0n, 1n, 1n);
    const add =
      (values: number, word: number, from: number, count: number, words = 1) =>
      () => {
        const columns = [new Float64Array(values)];
        const kinds = new Uint8Array(words).fill(word);
        native.chainSamples(state, stretch, new BigInt64Array(4), columns, kinds, from, count);
      };
    expect(add(4, CHAIN_WORDS.doubles, 0, 5)).toThrow(RangeError);
    expect(add(4, CHAIN_WORDS.doubles, 2, 3)).toThrow(RangeError);
    expect(add(3, CHAIN_WORDS.doubles, 0, 4)).toThrow(RangeError);
    expect(add(4, CHAIN_WORDS.is64Bit, 0, 4)).toThrow(RangeError);
    expect(add(4, 3, 0, 4)).toThrow(RangeError);
    expect(add(4, CHAIN_WORDS.doubles, 0, 4, 2)).toThrow(RangeError);
    expect(state[0]).toBe(3n);
    add(4, CHAIN_WORDS.integers, 1, 3)();
    expect(state[0]).not.toBe(3n);
  });
});

function zero(level: number): (number | bigint)[] {
  return [0n, 0n, 0, level, 0];
}

function sample(tick: number): Meant & { type: 'sample' } {
  const values = tick === 20 ? zero(0) : [BigInt(tick), BigInt(-tick), tick, tick / 3, tick];
  return { type: 'sample', tick, lateness: 5n, values };
}

function samples(count: number): Meant[] {
  return Array.from({ length: count }, (_, tick) => sample(tick));
}
