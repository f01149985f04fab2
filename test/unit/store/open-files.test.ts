/** Whoever gives up on a store leaves no file of it open: it may be tried again for years. */
import { beforeEach, expect, it } from 'vitest';
import { GIB } from '../../../engine/base/constants.ts';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { openWriter } from '../../support/stores.ts';

const DIR = '/store';

let failing: { operation: 'sync' | 'read'; path: RegExp } | undefined;
let fs: SimulatedFileSystem;
let environment: StoreEnvironment;

beforeEach(() => {
  failing = undefined;
  const fault = (operation: string, path: string): string | undefined =>
    operation === failing?.operation && failing.path.test(path) ? 'EIO' : undefined;
  fs = new SimulatedFileSystem(new SimulatedDisk(), { ...calmHost, fault });
  environment = { ...systemEnvironment, fs, pause: () => {} };
});

const read = (): unknown => StoreReader.open(DIR, environment);
const own = (): unknown => openWriter(DIR, undefined, environment);

it.each([
  ['sync', 'the segment that a reader begins with', 'closed', /\.seg$/, read],
  ['sync', 'a segment of an owner that died', 'died', /\.seg$/, read],
  ['sync', 'the segment that an owner goes on with', 'closed', /\.seg$/, own],
  ['sync', 'the ballast', 'without ballast', /ballast$/, own],
  ['read', 'the segment that a reader begins with', 'closed', /\.seg$/, read],
  ['read', 'the segment that an owner goes on with', 'closed', /\.seg$/, own],
] as const)('a %s of %s that fails leaves no file open', (operation, _, before, path, begin) => {
  const writer = openWriter(DIR, undefined, environment);
  if (before === 'died') writer.abandon();
  else writer.close();
  if (before === 'without ballast') fs.disk.shownFreeBytes = GIB;
  expect(fs.openFiles.size).toBe(0);
  failing = { operation, path };
  expect(begin).toThrow(expect.objectContaining({ code: 'STORE_IO' }));
  expect([...fs.openFiles].map((file) => file.path)).toEqual([]);
});
