/**
 * What is known of records that damage has taken: from reached entries, the mark and the catalog.
 */
import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { Catalog } from '../../../engine/store/state/catalog.ts';
import { KIND, alignUp, offsetOf, segmentOf } from '../../../engine/store/entries/format.ts';
import { readLog, segmentStart, type LogGroup } from '../../../engine/store/log/log.ts';
import { segmentPath } from '../../../engine/store/log/segment.ts';
import { decodeReached, encodeReached, type Reached } from '../../../engine/store/state/reached.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import type { StreamItem } from '../../../engine/store/read/stream-item.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { overwrite, segmentFile } from '../../support/segments.ts';
import {
  beginEvents,
  beginSamples,
  bytes,
  commitSamples,
  openWriter,
} from '../../support/stores.ts';

const DIR = '/store';

function memory(): { fs: SimulatedFileSystem; environment: StoreEnvironment } {
  const fs = new SimulatedFileSystem();
  return { fs, environment: { ...systemEnvironment, fs, pause: () => {} } };
}

/** Groups of the first segment that hold entries of a kind. */
function groupsWith(fs: SimulatedFileSystem, kind: number): LogGroup[] {
  const found: LogGroup[] = [];
  const log = readLog(fs, `${DIR}/log`, { lsn: segmentStart(1), last: undefined }, undefined);
  for (const item of log) {
    if (item.kind !== 'group') continue;
    if (item.entries.all().some((entry) => entry.kind === kind)) found.push(item);
  }
  return found;
}

function spoil(fs: SimulatedFileSystem, group: LogGroup | undefined): void {
  fs.bytesOf(segmentPath(`${DIR}/log`, 1))[group!.offset + 20]! ^= 0xff;
}

async function itemsOf(environment: StoreEnvironment, stream: string): Promise<StreamItem[]> {
  const store = Store.open(DIR, environment);
  const items: StreamItem[] = [];
  for await (const item of store.read(stream)) items.push(item);
  store.close();
  return items;
}

const gapsOf = (items: readonly StreamItem[]): StreamItem[] =>
  items.filter(({ kind }) => kind === 'gap');

describe('records lost at the end of a stream', () => {
  it('become a gap that is exact in offsets, seqs and ticks', async () => {
    const { fs, environment } = memory();
    const writer = openWriter(DIR, MIB, environment);
    const samples = beginSamples(writer);
    commitSamples(writer, samples, 0, 10);
    commitSamples(writer, samples, 10, 7);
    writer.appendEvents(beginEvents(writer), [bytes('another stream')]);
    writer.abandon();
    spoil(fs, groupsWith(fs, KIND.batch).at(-1));
    const gap = { kind: 'gap', reason: 'corrupt', firstSeq: 11, firstOffset: 10, records: 7 };
    const before = gapsOf(await itemsOf(environment, 'test/samples'));
    expect(before).toMatchObject([{ ...gap, ticks: { first: 10, count: 7 } }]);
    const next = openWriter(DIR, MIB, environment);
    const again = beginSamples(next);
    expect(again.stream.nextOffset).toBe(17);
    expect(again.run).toMatchObject({ firstSeq: 18, lastTick: 16 });
    commitSamples(next, again, 17, 3);
    next.close();
    const after = await itemsOf(environment, 'test/samples');
    expect(gapsOf(after)).toMatchObject([{ ...gap, ticks: { first: 10, count: 7 } }]);
    expect(after.at(-1)).toMatchObject({ kind: 'samples', firstOffset: 17, firstSeq: 18 });
    const report = await verify(DIR, environment);
    expect(report.damage.map(({ what }) => what)).toEqual(['lost group']);
  });

  it('are known after a clean stop even if two groups in a row are lost', () => {
    const { fs, environment } = memory();
    const writer = openWriter(DIR, MIB, environment);
    const early = beginEvents(writer, 'a/early', 'w');
    writer.appendEvents(early, [bytes('1'), bytes('2'), bytes('3')]);
    writer.appendEvents(beginEvents(writer, 'a/late', 'w'), [bytes('another')]);
    writer.close();
    const at = fs.bytesOf(segmentPath(`${DIR}/log`, 1));
    const [first] = groupsWith(fs, KIND.events);
    at[first!.offset + 20]! ^= 0xff;
    at[first!.offset + alignUp(first!.link.length) + 20]! ^= 0xff;
    const next = openWriter(DIR, MIB, environment);
    const again = beginEvents(next, 'a/early', 'w');
    expect(again.stream.nextOffset).toBe(3);
    expect(again.run.firstSeq).toBe(4);
    next.close();
  });

  it('are known from the catalog if the log has no word of them', () => {
    const dir = join(temporaryDirectory(), 'store');
    const writer = openWriter(dir);
    const opened = beginEvents(writer);
    writer.appendEvents(opened, [bytes('1')]);
    const from = writer.durableEnd;
    writer.appendEvents(opened, [bytes('2'), bytes('3')]);
    const { fs } = systemEnvironment;
    const { catalog, log } = writer.paths;
    const view = new Catalog(fs, catalog, log, writer.identity.storeId);
    view.checkpoint(writer.state, writer.durableEnd);
    view.close();
    writer.abandon();
    overwrite(segmentFile(dir, segmentOf(from)), offsetOf(from), new Uint8Array(4096));
    const next = openWriter(dir);
    expect(next.recovered!.faults.map(({ what }) => what)).toContain('lost groups at the end');
    const again = beginEvents(next);
    expect(again.stream.nextOffset).toBe(3);
    expect(again.run.firstSeq).toBe(4);
    next.close();
  });
});

describe('records lost in the middle of a stream', () => {
  it('stay lost, over segments and even if their bytes come back', async () => {
    const { fs, environment } = memory();
    const writer = openWriter(DIR, MIB, environment);
    const opened = beginEvents(writer);
    for (const event of ['0', '1', '2']) writer.appendEvents(opened, [bytes(event)]);
    writer.abandon();
    const lost = groupsWith(fs, KIND.events)[1];
    spoil(fs, lost);
    const next = openWriter(DIR, MIB, environment);
    const again = beginEvents(next);
    const large = bytes('x'.repeat(5000));
    for (let i = 0; segmentOf(next.durableEnd) < 3; i++) next.appendEvents(again, [large]);
    next.close();
    spoil(fs, lost);
    expect((await verify(DIR, environment)).ok).toBe(true);
    const gap = { kind: 'gap', reason: 'corrupt', firstOffset: 1, firstSeq: 2, records: 1 };
    expect(gapsOf(await itemsOf(environment, 'test/events'))).toMatchObject([gap]);
  });
});

describe('a reached entry', () => {
  const count = fc.maxSafeNat();
  const fact: fc.Arbitrary<Reached> = fc.record({
    ...{ stream: count, run: count, nextOffset: count, nextSeq: count },
    lastTick: fc.option(fc.nat(), { nil: null }),
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fact), (facts) => {
        expect(decodeReached(encodeReached(facts))).toEqual(facts);
      }),
    );
  });

  it('cut off anywhere, or with more behind it, is damage', () => {
    const facts = [{ stream: 300, run: 7, nextOffset: 1e12, nextSeq: 9, lastTick: null }];
    const whole = encodeReached(facts);
    const damaged = expect.objectContaining({ code: 'DAMAGED' });
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeReached(whole.slice(0, length))).toThrow(damaged);
    }
    expect(() => decodeReached(new Uint8Array([...whole, 0]))).toThrow(damaged);
  });
});
