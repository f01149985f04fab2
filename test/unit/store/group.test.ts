import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../engine/base/crc32c.ts';
import { BLOCK_BYTES, GIB, GROUP_MAX_BYTES, KIB } from '../../../engine/base/constants.ts';
import {
  ENTRY_FLAG,
  GROUP_FLAG,
  NO_LINK,
  alignUp,
  decodeGroupHeader,
  sealGroup,
} from '../../../engine/store/entries/format.ts';
import {
  EntryList,
  EntryTable,
  joinFragments,
  type Entry,
} from '../../../engine/store/entries/entries.ts';
import { GroupBuilder, GroupMemory } from '../../../engine/store/log/group.ts';
import { SeededRandom } from '../../support/random.ts';

interface Added {
  kind: number;
  stream: number;
  flags: number;
  payload: Uint8Array;
  /** written into the reserved area, as the native encoder does */
  inPlace: boolean;
}

const payload = fc
  .tuple(
    fc.oneof(
      { weight: 5, arbitrary: fc.nat(300) },
      { weight: 2, arbitrary: fc.nat(6 * KIB) },
      { weight: 1, arbitrary: fc.nat(70 * KIB) },
    ),
    fc.nat(),
  )
  .map(([length, seed]) => noise(length, seed));

const added: fc.Arbitrary<Added> = fc
  .record({
    kind: fc.constantFrom(1, 3, 16, 17, 18, 900),
    stream: fc.nat(2 ** 32 - 1),
    flags: fc.constantFrom(0, ENTRY_FLAG.ignorable),
    payload,
    inPlace: fc.boolean(),
  })
  .map((entry) => (entry.inPlace ? { ...entry, flags: 0 } : entry));

const limit = fc.integer({ min: 8 * KIB, max: 64 * KIB });

function noise(length: number, seed: number): Uint8Array {
  const random = new SeededRandom(seed);
  return Uint8Array.from({ length }, () => random.next() * 256);
}

function builderOf(entries: readonly Added[]): GroupBuilder {
  const builder = new GroupBuilder(64);
  for (const { kind, stream, flags, payload, inPlace } of entries) {
    if (!inPlace) builder.add(kind, stream, payload, flags);
    else {
      builder.reserve(payload.length + 100).set(payload, builder.tail);
      builder.addWritten(kind, stream, payload.length, crc32c(payload));
    }
  }
  return builder;
}

const SEGMENT = { segment: 7, salt: 0x1234_5678_9abc_def0n, size: GIB };

/** The planned groups as they are written, in memory that holds rubbish before. */
function written(builder: GroupBuilder, bytes: number): { flags: number; memory: Uint8Array }[] {
  return builder.plan(bytes).map((group) => {
    const memory = new Uint8Array(alignUp(group.length)).fill(0xa5);
    builder.layOut(group, memory);
    sealGroup(memory, SEGMENT, {
      ...{ flags: group.flags, offset: 4096, length: group.length, predecessor: NO_LINK },
      ...{ writtenNanos: 1n, entries: group.entries },
    });
    return { flags: group.flags, memory };
  });
}

function read(memory: Uint8Array): Entry[] {
  const header = decodeGroupHeader(memory, SEGMENT, 4096);
  if (typeof header === 'string') throw new Error(`header is ${header}`);
  const body = memory.subarray(0, header.length);
  const final = new DataView(body.buffer, body.byteOffset).getUint32(header.length - 4, true);
  expect(final).toBe(crc32c(body.subarray(0, -4)));
  expect(memory.subarray(header.length).every((byte) => byte === 0)).toBe(true);
  return [...EntryTable.ofGroup(body, header.entries, false).all()];
}

describe('a group', () => {
  it('cut into any number of groups, joins to the entries it was made of', () => {
    fc.assert(
      fc.property(fc.array(added, { minLength: 1, maxLength: 60 }), limit, (entries, bytes) => {
        const groups = written(builderOf(entries), bytes);
        const parsed = groups.flatMap(({ memory }) => read(memory));
        expect(parsed.every(({ intact }) => intact)).toBe(true);
        const joined = joinFragments(parsed);
        expect(joined).toHaveLength(entries.length);
        joined.forEach((entry, i) => {
          const { kind, stream, flags, payload } = entries[i]!;
          expect(entry).toMatchObject({ kind, stream, flags, intact: true });
          expect(Buffer.compare(entry.payload, payload)).toBe(0);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('gives the entries of one stream with those of none, each at its place', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }), (streams) => {
        const builder = new GroupBuilder(64);
        streams.forEach((stream, i) => builder.add(17, stream, new Uint8Array([i])));
        const { memory } = written(builder, 64 * KIB)[0]!;
        const body = memory.subarray(0, builder.bytes);
        const table = EntryTable.ofGroup(body, streams.length, true);
        for (let wanted = 1; wanted <= 3; wanted++) {
          const those = table.all().filter(({ stream }) => stream === wanted || stream === 0);
          expect(table.of(wanted)).toEqual(those);
          expect(new EntryList(table.all()).of(wanted)).toEqual(those);
          for (const { index, payload } of those) expect(payload[0]).toBe(index);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('whose own checksum holds may still have an entry whose does not', () => {
    const builder = new GroupBuilder(64);
    builder.reserve(100).set([1, 2, 3], builder.tail);
    builder.addWritten(17, 1, 3, 12345);
    const { memory } = written(builder, 64 * KIB)[0]!;
    const table = EntryTable.ofGroup(memory.subarray(0, builder.bytes), 1, true);
    expect(table.all()).toMatchObject([{ intact: true }]);
    expect(table.areIntact()).toBe(false);
  });

  it('is never longer than the limit, and its flags say how the run goes on', () => {
    fc.assert(
      fc.property(fc.array(added, { minLength: 1, maxLength: 60 }), limit, (entries, bytes) => {
        const groups = builderOf(entries).plan(bytes);
        groups.forEach(({ flags, length, entries }, i) => {
          expect(length).toBeLessThanOrEqual(bytes);
          expect(entries).toBeGreaterThan(0);
          expect((flags & GROUP_FLAG.continues) !== 0).toBe(i > 0);
          expect((flags & GROUP_FLAG.more) !== 0).toBe(i < groups.length - 1);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('says of each entry whether its own bytes are what was written', () => {
    fc.assert(
      fc.property(
        fc.array(payload, { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (payloads, place, change) => {
          const builder = new GroupBuilder(64);
          for (const bytes of payloads) builder.add(17, 1, bytes);
          fc.pre(payloads.some((bytes) => bytes.length > 0));
          const { memory } = written(builder, 4 * KIB * KIB)[0]!;
          const first = 64 + 16 * payloads.length;
          const total = payloads.reduce((sum, bytes) => sum + bytes.length, 0);
          const at = place % total;
          memory[first + at]! ^= change;
          let end = 0;
          const hit = payloads.findIndex((bytes) => at < (end += bytes.length));
          const entries = EntryTable.ofGroup(
            memory.subarray(0, first + total + 4),
            payloads.length,
            false,
          ).all();
          expect(entries.map(({ intact }) => intact)).toEqual(payloads.map((_, i) => i !== hit));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the memory of groups', () => {
  it('is small until a group is large, and then has room for any', () => {
    const made: number[] = [];
    const memory = new GroupMemory({
      alignedBuffer: (bytes) => {
        made.push(bytes);
        return new Uint8Array(bytes);
      },
    });
    expect(memory.blocks(100)).toHaveLength(BLOCK_BYTES);
    const [small = 0] = made;
    expect(small).toBeLessThan(GROUP_MAX_BYTES / 8);
    for (const length of [small, small + 1, GROUP_MAX_BYTES - 1, 1]) {
      expect(memory.blocks(length)).toHaveLength(alignUp(length));
    }
    expect(made).toEqual([small, GROUP_MAX_BYTES]);
  });
});
