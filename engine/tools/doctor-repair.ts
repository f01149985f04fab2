/**
 * Repair: what `doctor` found, put right as far as it can be, each step told as it is done.
 *
 *   lock ─▶ copy damaged bytes to the quarantine ─▶ put leftovers and bad spares aside
 *        ─▶ open as owner: store.json, mark, ballast, gaps at the ends of streams
 *        ─▶ lost entries for every other range ─▶ catalog, spares ─▶ close ─▶ look again
 *
 * The log itself is not rewritten, and nothing is deleted that might hold a record.
 */
import { errnoCode, openError } from '../base/errors.ts';
import { Catalog } from '../store/state/catalog.ts';
import { pinLosses } from '../store/write/changes.ts';
import type { LostEntry } from '../store/entries/control-entries.ts';
import { storePaths } from '../store/log/files.ts';
import { inUse } from '../store/write/lock.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { StreamReader } from '../store/read/stream-reader.ts';
import { StoreWriter } from '../store/write/writer.ts';
import { doctor } from './doctor.ts';
import { freePath, quarantine, readManifest, writeManifest } from '../store/upkeep/quarantine.ts';
import type { DoctorReport, Finding } from './types.ts';

/** Kinds of findings whose bytes are copied before anything else is done. */
const COPIED = new Set(['damage', 'small-file']);
/** Kinds whose files are moved out of the way. */
const MOVED = new Set(['leftover', 'spare']);

/**
 * @param tell is called with a sentence for each step
 * @throws NOT_A_STORE and FORMAT_VERSION before anything is touched, READ_ONLY, STORE_IN_USE while
 * another process owns the store
 */
export async function repair(
  dir: string,
  tell: (step: string) => void,
  environment: StoreEnvironment = systemEnvironment,
): Promise<DoctorReport> {
  const { findings } = await doctor(dir, environment);
  let lost: LostEntry[];
  try {
    putAside(environment, dir, findings, tell);
    lost = await lossesOf(environment, dir);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    throw openError(error, 'cannot repair the store in', dir);
  }
  own(environment, dir, lost, tell);
  const after = await doctor(dir, environment);
  const isLeft = (one: Finding): boolean =>
    after.findings.some(
      (other) => other.severity === 'damage' && other.file === one.file && other.what === one.what,
    );
  const repaired = findings.map((one) => ({
    ...one,
    repaired: one.severity === 'damage' && !isLeft(one) ? 'put right, or written down' : null,
  }));
  return { dir, ok: after.ok, findings: repaired };
}

/** Under the lock, so that nobody writes what is being copied. */
function putAside(
  environment: StoreEnvironment,
  dir: string,
  findings: readonly Finding[],
  tell: (step: string) => void,
): void {
  const { fs } = environment;
  const paths = storePaths(dir);
  const lock = fs.lock(paths.lock, true);
  if (lock === undefined) throw inUse(dir);
  try {
    const manifest = readManifest(fs, dir);
    for (const { kind, file, offset, length, what } of findings) {
      if (file === null) continue;
      // an owner may have come and gone since it was found
      if (MOVED.has(kind) && fs.exists(file)) moveAside(environment, dir, file, tell);
      const entry = COPIED.has(kind)
        ? quarantine(environment, dir, { file, offset, length, what })
        : undefined;
      if (entry === undefined) continue;
      manifest.entries.push(entry);
      tell(`copied ${file} from byte ${offset} (${what}) to quarantine/${entry.as}`);
    }
    if (manifest.entries.length > 0) writeManifest(fs, dir, manifest);
  } finally {
    lock.release();
  }
}

function moveAside(
  { fs }: StoreEnvironment,
  dir: string,
  file: string,
  tell: (step: string) => void,
): void {
  const { quarantine: place } = storePaths(dir);
  fs.makeDirectory(place);
  const path = freePath(fs, `${place}/${file.slice(dir.length + 1).replaceAll('/', '_')}`);
  fs.rename(file, path);
  fs.syncDirectory(place);
  fs.syncDirectory(file.slice(0, file.lastIndexOf('/')));
  tell(`moved ${file} to ${path.slice(dir.length + 1)}`);
}

/** Every range that reads as lost, so that it stays so. */
async function lossesOf(environment: StoreEnvironment, dir: string): Promise<LostEntry[]> {
  const store = Store.open(dir, environment);
  const lost: LostEntry[] = [];
  try {
    for (const name of store.streamNames()) {
      const stream = store.stream(name);
      // records whose schema is lost cannot be read until their writer says it again
      if (!store.reader.state.schemas.has(stream.schemaId)) continue;
      // records that are away are not lost
      const reader = new StreamReader(store.reader, stream.id, 0, { onAway: () => {} });
      for await (const item of reader.items()) {
        if (item.kind !== 'gap' || item.reason !== 'corrupt') continue;
        const { firstSeq, firstOffset, records, info } = item;
        lost.push({ stream: stream.id, run: info.run.id, firstSeq, firstOffset, records });
      }
    }
  } finally {
    store.close();
  }
  return lost;
}

/** One short life as the owner: it writes down what is lost and makes what can be made anew. */
function own(
  environment: StoreEnvironment,
  dir: string,
  lost: readonly LostEntry[],
  tell: (step: string) => void,
): void {
  const writer = StoreWriter.open(dir, environment);
  try {
    mend(writer, environment, lost, tell);
  } catch (error) {
    writer.abandon();
    throw error;
  }
  writer.close();
  tell('closed the store');
}

function mend(
  writer: StoreWriter,
  { fs }: StoreEnvironment,
  lost: readonly LostEntry[],
  tell: (step: string) => void,
): void {
  const { paths, identity, state } = writer;
  tell('opened the store as its owner: store.json, mark and ballast are as they should be');
  for (const warning of [...writer.warnings, ...writer.spills.warnings]) tell(warning);
  const pinned = pinLosses(writer, lost);
  if (pinned > 0)
    tell(`wrote down ${pinned} ranges of lost records: they are gap(corrupt) for good`);
  const catalog = new Catalog(fs, paths.catalog, paths.log, identity.storeId);
  catalog.checkpoint(state, writer.durableEnd);
  if (catalog.problem === undefined) tell('the catalog is sound, and up to date');
  else tell(`the catalog is not up to date: ${catalog.problem}`);
  catalog.close();
  writer.prepare();
}
