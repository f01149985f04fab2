/**
 * Derived copies between real stores, requests and replies lost as chance will have it: what
 * arrives is what a filter of the source's records gives, whatever pieces they came in.
 */
import { describe, expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { Derivation } from '../../../engine/derive/derivation.ts';
import { Where } from '../../../engine/derive/where.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { verify } from '../../../engine/tools/verify.ts';
import {
  COPIED_STREAM,
  copyOnce as copyBetween,
  record,
  unluckyCopy,
  type CopyOnceOptions,
  type End,
} from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { sealAllThereIs } from '../../support/sealing.ts';
import { beginSamples, commitSamples } from '../../support/stores.ts';

const derive = (text: string): Derivation => new Derivation({ where: new Where(text) }, 'USAGE');
/** Values are their ticks modulo 1000. */
const third = derive('X % 3 == 0 || X > 900');

function copyOnce(from: LocalOwner, to: LocalOwner, options: CopyOnceOptions = {}) {
  const end = (owner: LocalOwner): End => ({ dir: owner.dir, owner: owner.connect() });
  return copyBetween(end(from), end(to), { derivation: third, ...options });
}

function stores(): { from: LocalOwner; to: LocalOwner } {
  const from = new LocalOwner(temporaryDirectory());
  return { from, to: new LocalOwner(temporaryDirectory(), 2 * MIB) };
}

/** What must be there, by a filter of the source's records as text. */
function filtered(text: string): string {
  const [, identity, ordinal, tick, value] =
    /^(.*) sample (\d+) (\d+) \S+ \S+ (\d+)$/.exec(text) ?? [];
  if (identity === undefined || Number(value) % 3 === 0 || Number(value) > 900) return text;
  return `${identity} filtered ${ordinal} ${tick}`;
}

async function expectFiltered(from: LocalOwner, to: LocalOwner, where = ''): Promise<void> {
  const source = await recordsOf(from.dir, COPIED_STREAM);
  const target = await recordsOf(to.dir, COPIED_STREAM);
  expect(target, where).toEqual(source.map(filtered));
  expect(target.filter((text) => text.includes('filtered')).length).toBeGreaterThan(10);
}

describe('a derived copy', () => {
  test.each([1, 7, 100, 100_000])('in transactions of %i records', async (batchRecords) => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED), 2, batchRecords === 1 ? 5 : 30);
    expect(await copyOnce(from, to, { batchRecords })).toMatchObject({ ended: 'done' });
    await expectFiltered(from, to);
    [from, to].forEach((owner) => owner.close());
    expect(await verify(to.dir)).toMatchObject({ ok: true, damage: [] });
  });

  test('from chunks and into chunks, and on to a third store as it is', async () => {
    const { from, to } = stores();
    const third = new LocalOwner(temporaryDirectory());
    record(from, new SeededRandom(SEED), 3);
    await sealAllThereIs(nodeFileSystem, from.writer);
    record(from, new SeededRandom(SEED + 1), 1);
    await copyOnce(from, to, { batchRecords: 333 });
    await sealAllThereIs(nodeFileSystem, to.writer);
    for (const { writer } of [from, to]) expect(writer.state.sealedEnd).toBeGreaterThan(0);
    await expectFiltered(from, to);
    const end = (owner: LocalOwner): End => ({ dir: owner.dir, owner: owner.connect() });
    await copyBetween(end(to), end(third), { batchRecords: 50 });
    await expectFiltered(from, third);
  });

  test('samples that are left out count as rows where batches are joined', async () => {
    const { from, to } = stores();
    const opened = beginSamples(from.writer, COPIED_STREAM);
    for (let i = 0; i < 5; i++) commitSamples(from.writer, opened, i * 5000, 5000);
    await copyOnce(from, to, { derivation: derive('X == 7') });
    const before = await recordsOf(to.dir, COPIED_STREAM);
    await sealAllThereIs(nodeFileSystem, to.writer);
    expect(await recordsOf(to.dir, COPIED_STREAM)).toEqual(before);
    expect(before.filter((text) => text.includes('sample')).length).toBe(25);
  });

  test('a cursor of another derivation is refused, and so are the same records twice', async () => {
    const { from, to } = stores();
    record(from, new SeededRandom(SEED), 1);
    await copyOnce(from, to);
    const refused = (options: CopyOnceOptions) =>
      expect(copyOnce(from, to, options)).rejects.toMatchObject({ code: 'USAGE' });
    await refused({ derivation: derive('X > 1') });
    await refused({ derivation: derive('X > 1'), cursor: 'other' });
    await refused({ derivation: undefined as never, cursor: 'plain' });
    await expectFiltered(from, to);
    // its cursor is lost: it finds out what is there, and goes on
    record(from, new SeededRandom(SEED + 1), 1);
    await copyOnce(from, to, { cursor: 'again' });
    await expectFiltered(from, to);
  });

  const seeds = process.env.HELICORDER_SOAK ? 100 : 6;
  test(`requests and replies lost, owners and copiers dying: ${seeds} seeds`, async () => {
    for (let seed = 1; seed <= seeds; seed++) await unlucky(seed);
  });
});

async function unlucky(seed: number): Promise<void> {
  const { from, to } = stores();
  await unluckyCopy(from, to, seed, (options) => copyOnce(from, to, options));
  await expectFiltered(from, to, `seed ${seed}`);
  [from, to].forEach((owner) => owner.close());
}
