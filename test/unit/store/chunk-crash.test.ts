/**
 * The life of chunks, cut at any operation: sealing, the sealed entry, recycling, writing on,
 * joining, trims, rewriting. The process is killed, or the power goes; then every record that was
 * acknowledged is there, once, at its offset, and upkeep goes on from what it finds.
 *
 * Operations that change nothing on the disk are not counted: to die before a read is to die before
 * the change that comes next.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import { verify } from '../../../engine/tools/verify.ts';
import type { Written } from '../../support/chunk-store.ts';
import {
  ChunkStore,
  DIR,
  EVENTS,
  SAMPLES,
  copyOf,
  environmentOf,
  recordsOf,
} from '../../support/chunk-store.ts';
import { SeededRandom } from '../../support/random.ts';
import type { SimulatedDisk } from '../../support/simulated-disk.ts';
import {
  SimulatedFileSystem,
  calmHost,
  type Host,
  type Operation,
} from '../../support/simulated-file-system.ts';

const IS_SOAK = process.env['HELICORDER_SOAK'] !== undefined;
/** deaths per script and kind of death in a short run */
const DEATHS = 12;
const CHANGES = new Set<Operation>(['open', 'write', 'sync', 'names', 'sync-names', 'mark']);

class Death extends Error {}

/** Ends the process at its `fatal`-th change of the disk, and at whatever it still tries then. */
class MortalHost implements Host {
  readonly random = new SeededRandom(1);
  readonly evictsFailedPages = true;
  readonly isDirect = false;
  readonly hasDatabases = false;
  readonly after: Host['after'] = (ms, action) => calmHost.after(ms, action);
  readonly #fatal: number;
  changes = 0;

  constructor(fatal: number) {
    this.#fatal = fatal;
  }

  get isDead(): boolean {
    return this.changes >= this.#fatal;
  }

  step(operation: Operation): void {
    if (this.isDead) throw new Death();
    if (CHANGES.has(operation) && ++this.changes >= this.#fatal) throw new Death();
  }

  fault(): undefined {
    return undefined;
  }
}

interface Base {
  disk: SimulatedDisk;
  written: Written;
}

type Script = (store: ChunkStore) => Promise<void>;

/** Seals, writes on, seals again, lets go of half, rewrites, and stops. */
const sealing: Script = async (store) => {
  await store.settle();
  store.fillUpTo(4);
  await store.settle();
  await store.settle({ retention: [{ ...KEEP_ALL, pattern: EVENTS, bytes: 1.5 * MIB }] });
  await store.settle({ budgetBytes: 3 * MIB });
  store.append();
  store.writer.close();
};

/** Joins eight chunks, lets go of nearly all of one stream, and stops. */
const joining: Script = async (store) => {
  await store.settle();
  store.append();
  await store.settle({ retention: [{ ...KEEP_ALL, pattern: EVENTS, bytes: 1000 }] });
  store.append();
  store.writer.close();
};

async function unsealedBase(): Promise<Base> {
  const store = new ChunkStore();
  store.fillUpTo(3);
  store.writer.close();
  return Promise.resolve({ disk: store.fs.disk, written: store.written });
}

async function unjoinedBase(): Promise<Base> {
  const store = new ChunkStore();
  for (let segment = 2; segment <= 9; segment++) {
    store.fillUpTo(segment);
    if (segment < 9) await store.settle();
  }
  store.writer.close();
  return { disk: store.fs.disk, written: store.written };
}

/** @returns the changes the script makes if nobody dies */
async function changesOf({ disk, written }: Base, script: Script): Promise<number> {
  const host = new MortalHost(Infinity);
  await script(new ChunkStore(copyOf(disk), written.copy(), host));
  return host.changes;
}

/** Lets the script die at a change, restarts, and looks. */
async function dieAt(base: Base, script: Script, fatal: number, withPower: boolean): Promise<void> {
  const disk = copyOf(base.disk);
  const written = base.written.copy();
  const host = new MortalHost(fatal);
  let store: ChunkStore | undefined;
  try {
    store = new ChunkStore(disk, written, host);
    await script(store);
    throw new Error('the script has ended before its death');
  } catch (error) {
    // on its way up it may have been taken for an error of the disk
    if (!host.isDead) throw error;
  }
  store?.fs.die();
  disk.locks.clear();
  const random = new SeededRandom(fatal);
  if (withPower) disk.powerCut(random, random.next() < 0.5);
  await checkRecords(new SimulatedFileSystem(disk), written);
  const next = new ChunkStore(disk, written);
  await next.settle();
  next.append();
  await checkRecords(next.fs, written);
  next.writer.close();
  const report = await verify(DIR, next.environment);
  expect(report.damage).toEqual([]);
  expect(next.fs.list(`${DIR}/chunks`).filter((name) => name.startsWith('.'))).toEqual([]);
}

async function checkRecords(fs: SimulatedFileSystem, written: Written): Promise<void> {
  const environment = environmentOf(fs);
  const { acknowledged } = written;
  check(await recordsOf(environment, SAMPLES), written.samples, acknowledged.samples, false);
  check(await recordsOf(environment, EVENTS), written.events, acknowledged.events, true);
}

/** Every acknowledged record, and of those that were being written a beginning. */
function check(
  found: readonly string[],
  begun: readonly string[],
  acknowledged: number,
  mayBeRetired: boolean,
): void {
  const gone = /^0 retired ×(\d+)$/.exec(found[0] ?? '')?.[1];
  if (gone !== undefined) expect(mayBeRetired).toBe(true);
  const first = Number(gone ?? 0);
  const records = gone === undefined ? found : found.slice(1);
  expect(first + records.length).toBeGreaterThanOrEqual(acknowledged);
  expect(records).toEqual(begun.slice(first, first + records.length));
}

const SCRIPTS = [
  ['sealing', sealing, unsealedBase],
  ['joining', joining, unjoinedBase],
] as const;

describe.each(SCRIPTS)('%s', (_, script, makeBase) => {
  let base: Base;
  let changes: number;
  beforeAll(async () => {
    base = await makeBase();
    changes = await changesOf(base, script);
  });

  it.each([false, true])('dies at any change and loses nothing (power cut: %s)', async (power) => {
    expect(changes).toBeGreaterThan(DEATHS);
    const stride = IS_SOAK ? 1 : Math.ceil(changes / DEATHS);
    // the two kinds of death, and each run of a changed program, hit other places
    for (let fatal = 1 + (power ? stride >> 1 : 0); fatal <= changes; fatal += stride) {
      try {
        await dieAt(base, script, fatal, power);
      } catch (error) {
        throw new Error(`death at change ${fatal} of ${changes}`, { cause: error });
      }
    }
  });
});
