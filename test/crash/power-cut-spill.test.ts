/**
 * The power cut under transactions that are larger than a group: a stream is copied in one, again
 * and again, to a store on a real file system whose power goes at a moment that nobody chose.
 * Behind each cut the target holds all of a transaction or none of it, and all of one that was
 * reported.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { KIB } from '../../engine/base/constants.ts';
import { Store } from '../../engine/store/store.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, nextOwner } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { FILE_SYSTEMS, LoopDisk, whyNoLoopDisk } from '../support/loop-disk.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { skipLoudly } from '../support/skip.ts';
import { beginEvents, openWriter } from '../support/stores.ts';

const CUTS = repeats(50);
const SOURCE = 'test/events';
/** Together more than a group takes, and small enough for so many transactions on one disk. */
const EVENTS = 100;
const EVENT_BYTES = 30 * KIB;
/** About what a copy takes behind its start. */
const LIFE_MS = 600;

const why = whyNoLoopDisk('mkfs.ext4', 'mkfs.xfs', 'xfs_io', 'losetup');
const testOnLoopDisk = skipLoudly(why !== undefined, `power cuts under spills: ${why}`);

function makeSource(): string {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const events = beginEvents(writer, SOURCE);
  const noise = new SeededRandom(SEED);
  for (let i = 0; i < EVENTS; i++) writer.appendEvents(events, [noise.bytes(EVENT_BYTES)]);
  writer.close();
  return dir;
}

function hasSpills(dir: string): boolean {
  const txn = join(dir, 'txn');
  return existsSync(txn) && readdirSync(txn).length > 0;
}

function recordsIn(dir: string, stream: string): number {
  const store = Store.open(dir);
  const records = store.reader.state.streamNamed(stream)?.nextOffset ?? 0;
  store.close();
  return records;
}

for (const kind of FILE_SYSTEMS) {
  testOnLoopDisk(
    `${CUTS} power cuts under a large transaction on ${kind}: all of it or nothing`,
    async () => {
      const random = new SeededRandom(SEED);
      const from = makeSource();
      const disk = new LoopDisk(kind);
      const to = join(disk.dir, 'store');
      openWriter(to).close();
      let whole = 0;
      let spilled = 0;
      for (let cut = 0; cut < CUTS; cut++) {
        const about = `${kind}, cut ${cut}, HELICORDER_SEED=${SEED}`;
        const target = `test/copy${cut}`;
        const stores = ['--data-dir', from, '--to-data-dir', to, '--batch-records', '1000000000'];
        const isThere = nextOwner(to, 'control');
        const copy = helicorder(['stream', 'cp', SOURCE, target, ...stores, '--quiet']);
        await isThere;
        // right behind what it reports, or at any moment before
        const isReported = random.below(3) === 0;
        const moment = isReported ? copy.ended : sleep(random.next() * LIFE_MS);
        const ended = await Promise.race([copy.ended, moment]);
        if (isReported) expect(ended?.code, about).toBe(0);
        disk.cutPower();
        await copy.kill();
        disk.unmount();
        disk.mount();
        if (hasSpills(to)) spilled++;
        count('power cuts');
        expect(await verify(to), about).toMatchObject({ ok: true, damage: [] });
        const records = recordsIn(to, target);
        expect([0, EVENTS], about).toContain(records);
        if (ended?.code === 0) expect(records, about).toBe(EVENTS);
        if (records > 0) whole++;
      }
      process.stdout.write(`${kind}: ${whole} of ${CUTS} transactions are there\n`);
      expect(spilled, 'transactions were spilled').toBeGreaterThan(0);
    },
    60_000 + 30_000 * CUTS,
  );
}
