/**
 * Bugs put into the surroundings of production code, where they have the effect of the bug in the
 * code: negative controls. A simulation that lets one of them pass is itself broken.
 */
import { errnoCode } from '../../engine/base/errors.ts';
import type Database from 'better-sqlite3';
import type { Clock } from '../../engine/base/clock.ts';
import type { DurableFile, FileSystem, MarkFile } from '../../engine/files/file-system.ts';
import type { CatalogFiles } from '../../engine/store/state/catalog.ts';
import { storePaths } from '../../engine/store/log/files.ts';
import { makeLsn, segmentOf } from '../../engine/store/entries/format.ts';
import { listSegments, segmentPath } from '../../engine/store/log/segment.ts';
import type { StoreEnvironment } from '../../engine/store/store.ts';
import { upkeepStep, type UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import type { Step } from './upkeep.ts';

export interface Mutant {
  /** what the mutated program does */
  name: string;
  /** it must be found within so many seeds */
  seeds: number;
  /** the first of them; one that finds it soon saves time, any other does as well */
  from?: number;
  mutate?: (environment: StoreEnvironment) => StoreEnvironment;
  /** what makes a step of upkeep, in place of the one of production */
  step?: Step;
}

type Mutation = (environment: StoreEnvironment) => StoreEnvironment;

function onFiles(change: (fs: FileSystem) => Partial<FileSystem>): Mutation {
  return (environment) => ({ ...environment, fs: replaced(environment.fs, change) });
}

/** The object with some of its members replaced; the others go on working on the object itself. */
function replaced<T extends object>(target: T, change: (target: T) => Partial<T>): T {
  const changes = change(target);
  return new Proxy(target, {
    get(object, key) {
      if (key in changes) return changes[key as keyof T];
      const member: unknown = Reflect.get(object, key, object);
      return typeof member === 'function' ? (member.bind(object) as unknown) : member;
    },
  });
}

const onWrites = (change: (file: DurableFile, fs: FileSystem) => DurableFile['write']): Mutation =>
  onFiles((fs) => ({
    openDurable: (path, direct) => {
      const file = fs.openDurable(path, direct);
      return { ...file, write: change(file, fs) };
    },
  }));

const onMarks = (change: (mark: MarkFile) => Partial<MarkFile>): Mutation =>
  onFiles((fs) => ({
    openMark: (path, generation, writable) =>
      replaced(fs.openMark(path, generation, writable), change),
  }));

/** What a failed write is taken for: written. */
function ignoring(errno: string, again: (file: DurableFile, fs: FileSystem) => void) {
  return onWrites((file, fs) => (bytes, position, meanwhile) => {
    try {
      file.write(bytes, position, meanwhile);
    } catch (error) {
      if (errnoCode(error) !== errno) throw error;
      again(file, fs);
    }
  });
}

/** Tells readers of a group before it is written. */
function publishingEarly(environment: StoreEnvironment): StoreEnvironment {
  let publish: ((lsn: number) => void) | undefined;
  const marked = onFiles((fs) => ({
    openMark: (path, generation, writable) => {
      const mark = fs.openMark(path, generation, writable);
      if (writable) publish = (lsn) => mark.publish(lsn, generation);
      return mark;
    },
    openDurable: (path, direct) => {
      const file = fs.openDurable(path, direct);
      const segment = Number(/(\d{20})\.seg$/.exec(path)?.[1] ?? 0);
      const write: DurableFile['write'] = (bytes, position, meanwhile) => {
        if (segment > 0 && position > 0) publish?.(makeLsn(segment, position + bytes.length));
        file.write(bytes, position, meanwhile);
      };
      return { ...file, write };
    },
  }));
  return marked(environment);
}

const isCatalog = (path: string): boolean => path.endsWith('/catalog.db');

function onDatabases(
  change: (database: Database.Database) => Partial<Database.Database>,
): Mutation {
  return (environment) => {
    const fs: CatalogFiles = environment.fs;
    const openDatabase: CatalogFiles['openDatabase'] = (path, options) =>
      replaced(fs.openDatabase!(path, options), change);
    return { ...environment, fs: replaced<CatalogFiles>(fs, () => ({ openDatabase })) };
  };
}

/** Bugs of the catalog: every fifth seed has one. */
const CATALOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'lets the rows of an older catalog stand',
    seeds: 100,
    mutate: onDatabases((database) => ({
      prepare: (source: string) =>
        database.prepare(source.replace('INSERT OR REPLACE', 'INSERT OR IGNORE')),
    })),
  },
  {
    name: 'goes on with a catalog in which it has found damage',
    ...{ seeds: 300, from: 50 },
    mutate: onFiles((fs) => ({
      remove: (path) => {
        if (!isCatalog(path)) fs.remove(path);
      },
    })),
  },
];

const BOOT = 'b0070000-0000-4000-8000-000000000000';

const isChunk = (path: string): boolean => path.endsWith('.chunk');

/** A step of which the process may die, or somebody look, before its result is carried out. */
const stepThat =
  (does: (result: UpkeepResult, fs: FileSystem, dir: string) => void): Step =>
  async (options, environment, pause) => {
    const result = await upkeepStep(options, environment, pause);
    does(result, environment.fs, options.dataDir);
    if (result.did !== 'nothing') await environment.sleep(20);
    return result;
  };

function removeSealed(result: UpkeepResult, fs: FileSystem, dir: string): void {
  if (result.did !== 'sealed') return;
  const { log } = storePaths(dir);
  for (const segment of listSegments(fs, log)) {
    if (segment < segmentOf(result.end)) fs.remove(segmentPath(log, segment));
  }
  fs.syncDirectory(log);
}

function removeOldest(result: UpkeepResult, fs: FileSystem, dir: string): void {
  if (result.did !== 'planned') return;
  const { chunks } = storePaths(dir);
  const oldest = fs.list(chunks).find((name) => !name.startsWith('.'));
  if (oldest === undefined) return;
  fs.remove(`${chunks}/${oldest}`);
  fs.syncDirectory(chunks);
}

function countLess(result: UpkeepResult): void {
  if (result.did !== 'planned') return;
  for (const { writers } of result.trims) writers.forEach((writer) => writer.ticks--);
}

/** Bugs of the store's upkeep. */
const UPKEEP_MUTANTS: readonly Mutant[] = [
  {
    name: 'recycles segments before the sealed entry is durable',
    ...{ seeds: 100, from: 16 },
    step: stepThat(removeSealed),
  },
  {
    name: 'removes a chunk before the trim entry is durable',
    seeds: 100,
    step: stepThat(removeOldest),
  },
  { name: 'counts too few ticks of what it lets go of', seeds: 100, step: stepThat(countLess) },
  {
    name: 'lists a chunk that is not synced',
    ...{ seeds: 300, from: 46 },
    mutate: onFiles((fs) => ({
      open: (path, mode) => {
        const file = fs.open(path, mode);
        return isChunk(path) && mode === 'create' ? { ...file, sync: () => {} } : file;
      },
    })),
  },
  {
    name: 'does not sync the directory of chunks',
    ...{ seeds: 300, from: 46 },
    mutate: onFiles((fs) => ({
      syncDirectory: (dir) => {
        if (!dir.endsWith('/chunks')) fs.syncDirectory(dir);
      },
    })),
  },
];

const isSpill = (path: string): boolean => path.includes('/txn');

/** Bugs of transactions that are spilled: only a copy has any. */
export const SPILL_MUTANTS: readonly Mutant[] = [
  {
    name: 'commits a spill that is not synced',
    seeds: 50,
    mutate: onWrites((file, fs) => {
      if (!isSpill(file.path)) return (bytes, position) => file.write(bytes, position);
      const buffered = fs.open(file.path, 'write');
      return (bytes, position) => buffered.write(bytes, position);
    }),
  },
  {
    name: 'commits a spill whose name is not synced',
    seeds: 100,
    mutate: onFiles((fs) => ({
      syncDirectory: (dir) => {
        if (!isSpill(dir)) fs.syncDirectory(dir);
      },
    })),
  },
  {
    name: 'sweeps spills that the log names',
    seeds: 50,
    mutate: onFiles((fs) => ({
      list: (dir) => {
        const names = fs.list(dir);
        if (isSpill(dir)) for (const name of names) fs.remove(`${dir}/${name}`);
        return isSpill(dir) ? [] : names;
      },
    })),
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...UPKEEP_MUTANTS,
  ...CATALOG_MUTANTS,
  {
    name: 'acknowledges a group before it is synced',
    seeds: 50,
    mutate: onWrites((file, fs) => {
      const buffered = fs.open(file.path, 'write');
      return (bytes, position) => buffered.write(bytes, position);
    }),
  },
  {
    name: 'builds upon what recovery scanned without a sync',
    seeds: 200,
    mutate: onFiles((fs) => ({
      open: (path, mode) => ({ ...fs.open(path, mode), sync: () => {} }),
    })),
  },
  {
    name: 'skips the sync of directories',
    seeds: 50,
    mutate: onFiles(() => ({ syncDirectory: () => {} })),
  },
  { name: 'publishes the mark before the write', seeds: 200, mutate: publishingEarly },
  {
    name: 'reads beyond the mark',
    seeds: 50,
    mutate: onMarks((mark) => ({
      read: () => {
        const values = mark.read();
        return values && { ...values, durableLsn: values.durableLsn + 4096 };
      },
    })),
  },
  {
    name: 'tries a failed sync again',
    seeds: 200,
    mutate: ignoring('EIO', ({ path }, fs) => fs.open(path, 'write').sync()),
  },
  {
    name: 'does not keep a second owner away',
    seeds: 100,
    mutate: onFiles((fs) => ({
      lock: (path, exclusive) => fs.lock(path, exclusive) ?? { release: () => {} },
    })),
  },
  {
    name: 'takes one boot for another',
    seeds: 200,
    mutate: (environment) => ({
      ...environment,
      clock: replaced<Clock>(environment.clock, () => ({ bootId: () => BOOT })),
    }),
  },
];
