/** Databases on the simulated disk: what a kill, a failed commit and a power cut leave of them. */
import type Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../support/random.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost, type Host } from '../support/simulated-file-system.ts';

const PATH = '/store/catalog.db';
const LOG = `${PATH}-wal`;

function machine(host: Partial<Host> = {}): SimulatedFileSystem {
  const disk = new SimulatedDisk();
  disk.makeDirectory('/store');
  return new SimulatedFileSystem(disk, { ...calmHost, ...host });
}

function open(fs: SimulatedFileSystem): Database.Database {
  const database = fs.openDatabase(PATH, { timeout: 0 });
  database.exec('CREATE TABLE IF NOT EXISTS number (value INTEGER)');
  return database;
}

function add(database: Database.Database, value: number): void {
  const insert = database.prepare('INSERT INTO number VALUES (?)');
  database.transaction(() => insert.run(value)).immediate();
}

function valuesIn(fs: SimulatedFileSystem): unknown[] {
  const database = new SimulatedFileSystem(fs.disk).openDatabase(PATH, { readonly: true });
  try {
    return database.prepare('SELECT value FROM number').pluck().all();
  } finally {
    database.close();
  }
}

describe('a database on the simulated disk', () => {
  it('is what was committed last when its process is killed', () => {
    const fs = machine();
    const database = open(fs);
    add(database, 1);
    const killed = database.transaction(() => {
      database.prepare('INSERT INTO number VALUES (2)').run();
      fs.die();
      throw new Error('dead');
    });
    expect(killed).toThrow('dead');
    expect(valuesIn(fs)).toEqual([1]);
    expect(fs.exists(LOG)).toBe(true);
  });

  it('is as it was before a commit that failed', () => {
    let fault: string | undefined;
    const fs = machine({ fault: (operation) => (operation === 'commit' ? fault : undefined) });
    const database = open(fs);
    add(database, 1);
    fault = 'SQLITE_IOERR';
    expect(() => add(database, 2)).toThrow(expect.objectContaining({ code: 'SQLITE_IOERR' }));
    fault = undefined;
    fs.disk.capacity = fs.disk.used;
    const large = 'x'.repeat(10_000);
    const full = expect.objectContaining({ code: 'SQLITE_FULL' });
    expect(() => database.exec(`INSERT INTO number VALUES ('${large}')`)).toThrow(full);
    add(database, 3);
    expect(valuesIn(fs)).toEqual([1, 3]);
  });

  it('is empty, or what it was at one of its commits, when the power is cut', () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 100; seed++) {
      const fs = machine();
      const database = open(fs);
      fs.disk.settleAll();
      for (let value = 1; value <= 3; value++) add(database, value);
      fs.die();
      fs.disk.powerCut(new SeededRandom(seed), true);
      found.add(fs.fileSize(PATH) === 0 ? 'empty' : valuesIn(fs).join());
    }
    expect([...found].sort()).toEqual(['', '1', '1,2', '1,2,3', 'empty']);
  });

  it('is what it was last when the power is cut once it was synced', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const fs = machine();
      const database = open(fs);
      add(database, 1);
      database.pragma('wal_checkpoint(PASSIVE)');
      fs.syncDirectory('/store');
      fs.disk.powerCut(new SeededRandom(seed), true);
      expect(valuesIn(fs)).toEqual([1]);
    }
  });

  it('has a log beside it until the last who may write has closed it', () => {
    const fs = machine();
    const [first, second] = [open(fs), open(fs)];
    first.close();
    expect(fs.exists(LOG)).toBe(true);
    second.close();
    expect(fs.exists(LOG)).toBe(false);
  });

  it('is not there where SQLite can open nothing', () => {
    const fs = machine({ hasDatabases: false });
    expect(() => open(fs)).toThrow(expect.objectContaining({ code: 'SQLITE_CANTOPEN' }));
    expect(fs.exists(PATH)).toBe(false);
  });
});
