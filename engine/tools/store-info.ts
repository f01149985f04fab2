/** What a store is: identity, formats, sizes, owner. It only reads, also beside an owner. */
import { STORE_FORMAT, readStoreJson, storePaths } from '../store/log/files.ts';
import { hex } from '../base/bytes.ts';
import { LOG_VERSION } from '../store/entries/format.ts';
import { SPARE_NAME, listSegments } from '../store/log/segment.ts';
import { identityOfLog } from '../store/state/identity.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { HelicorderError } from '../base/errors.ts';
import { stringOrNull } from './describe.ts';
import type { StoreInfo } from './types.ts';

/** @throws NOT_A_STORE, FORMAT_VERSION, DAMAGED, STORE_IO */
export function storeInfo(
  dir: string,
  environment: StoreEnvironment = systemEnvironment,
): StoreInfo {
  const { fs, clock } = environment;
  const paths = storePaths(dir);
  const store = Store.open(dir, environment);
  const { state, isOwned } = store.reader;
  store.close();
  const identity = readStoreJson(fs, paths.storeJson) ?? identityOfLog(fs, paths, state);
  if (identity === undefined) {
    throw new HelicorderError('NOT_A_STORE', `${dir}: nothing says whose store it is`);
  }
  const segments = listSegments(fs, paths.log);
  return {
    dir,
    storeId: hex(identity.storeId),
    origin: identity.origin ? hex(identity.origin) : null,
    machineId: hex(identity.machineId),
    format: STORE_FORMAT,
    created: String(identity.createdNanos),
    segmentBytes: String(identity.segmentBytes),
    sizes: sizesOf(environment, dir),
    segments: {
      count: segments.length,
      first: stringOrNull(segments[0]),
      last: stringOrNull(segments.at(-1)),
    },
    streams: state.streams.size,
    owned: isOwned,
    generation: String(state.generation),
    bootId: clock.bootId(),
    clean: state.clean,
  };
}

/** Bytes of disk by kind of file. */
function sizesOf({ fs }: StoreEnvironment, dir: string): StoreInfo['sizes'] {
  const paths = storePaths(dir);
  const all = fs.diskUse(dir);
  const sum = (dirOf: string, names: readonly string[]): number =>
    names.reduce((bytes, name) => bytes + sizeOf(`${dirOf}/${name}`), 0);
  const sizeOf = (path: string): number => (fs.isDirectory(path) ? 0 : (fs.fileSize(path) ?? 0));
  const log = fs.list(paths.log);
  const spares = sum(
    paths.log,
    log.filter((name) => SPARE_NAME.test(name)),
  );
  const catalog = sum(
    dir,
    fs.list(dir).filter((name) => name.startsWith('catalog.db')),
  );
  const known = {
    log: fs.diskUse(paths.log) - spares,
    spares,
    chunks: fs.isDirectory(paths.chunks) ? fs.diskUse(paths.chunks) : 0,
    catalog,
    ballast: sizeOf(paths.ballast),
    quarantine: fs.isDirectory(paths.quarantine) ? fs.diskUse(paths.quarantine) : 0,
  };
  const other = all - Object.values(known).reduce((bytes, part) => bytes + part, 0);
  const entries = Object.entries({ ...known, other: Math.max(0, other), all });
  return Object.fromEntries(
    entries.map(([kind, bytes]) => [kind, String(bytes)]),
  ) as StoreInfo['sizes'];
}

/**
 * Brings a store to this version's formats. There has been only version 1: whatever can be opened
 * is up to date, and every other is refused by the file that says so.
 * @throws FORMAT_VERSION, NOT_A_STORE
 */
export function migrateStore(
  dir: string,
  environment: StoreEnvironment = systemEnvironment,
): { format: number; log: number; migrated: boolean } {
  Store.open(dir, environment).close();
  return { format: STORE_FORMAT, log: LOG_VERSION, migrated: false };
}
