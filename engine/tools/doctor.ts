/**
 * Looks at everything a store consists of and says, in sentences, what is not as it should be and
 * what to do about it. It takes no lock and changes nothing; `doctor-repair.ts` is the one that
 * does.
 *
 * Damage in the log stays where it is, for ever: the log is never rewritten. Once its bytes have
 * been put aside (the manifest of the quarantine knows) and its records are gaps for good, it is a
 * note.
 */
import { BLOCK_BYTES, MIB, SEGMENT_DEFAULT_BYTES } from '../base/constants.ts';
import { HelicorderError, errnoCode, openError } from '../base/errors.ts';
import { readMachineId, readStoreJson, storePaths } from '../store/log/files.ts';
import { hex } from '../base/bytes.ts';
import { chainOf } from '../store/chunks/chunk-reader.ts';
import { chunkName } from '../store/chunks/format.ts';
import { RECYCLED_NAME, SPARE_NAME, listSegments } from '../store/log/segment.ts';
import { isMarkDamaged, openMark } from '../store/log/mark.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { isQuarantined, readManifest } from '../store/upkeep/quarantine.ts';
import type { Damage, DoctorReport, Finding, VerifyReport } from './types.ts';
import { awayPlaces, verify } from './verify.ts';

/**
 * The names in a directory of the store: what belongs there, and what a write leaves behind that
 * was cut off. All other files are somebody else's, and are not touched.
 */
interface Names {
  known: RegExp;
  /** made by `writeFileDurably`, `SocketPath`, `probeDirect`, `measureBox`, `DirectoryPlace` */
  temporary: RegExp;
}

const STORE_NAMES: Names = {
  known:
    /^(store\.json|lock|claim|mark|ballast|catalog\.db(-\w+)?|log|txn|chunks|control|quarantine)$/,
  temporary:
    /^((store\.json|mark)\.tmp|control\.new|\.probe-direct|\.helicorder-tune-[0-9a-f]{16})$/,
};
const LOG_NAMES: Names = {
  known: /^(\d{20}\.seg|spare-\d+\.seg)$/,
  temporary: /^\.probe-direct$/,
};
const CHUNK_NAMES: Names = {
  known: /^\d{20}-\d{20}\.chunk$/,
  temporary: /^\.\d{20}-\d{20}\.chunk$/,
};

/**
 * @throws NOT_A_STORE or FORMAT_VERSION, before anything is touched, if the directory holds no
 * store or one of another version; READ_ONLY if it may not be read
 */
export async function doctor(
  dir: string,
  environment: StoreEnvironment = systemEnvironment,
): Promise<DoctorReport> {
  try {
    checkIsStore(environment, dir);
    // what a program says of a store whose format it does not know would be wrong
    opened(environment, dir)?.close();
    return await inspect(dir, environment);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    throw openError(error, 'cannot read the store in', dir);
  }
}

async function inspect(dir: string, environment: StoreEnvironment): Promise<DoctorReport> {
  const report = await verify(dir, environment);
  const damage = report.damage.map((found) => damageFinding(environment, dir, found));
  const findings = [
    ...damage,
    ...report.tornTails.map(({ file, offset, length }) => ({
      ...note(
        'torn',
        `a write was cut off here and was never acknowledged`,
        'Nothing: it is normal.',
      ),
      ...{ file, offset, length },
    })),
    ...(await awayFindings(environment, dir, report.away)),
    ...placeFindings(environment, dir),
    ...ownerFindings(environment, dir),
    ...fileFindings(environment, dir),
    ...otherFiles(environment, dir),
    ...unlistedChunks(environment, dir),
  ];
  return { dir, ok: findings.every(({ severity }) => severity !== 'damage'), findings };
}

/** A directory of somebody else's may well hold one named `log`: a segment must be in it. */
function checkIsStore({ fs }: StoreEnvironment, dir: string): void {
  const { storeJson, log } = storePaths(dir);
  if (fs.isDirectory(dir) && readStoreJson(fs, storeJson) !== undefined) return;
  if (fs.isDirectory(log) && listSegments(fs, log).length > 0) return;
  throw new HelicorderError('NOT_A_STORE', `${dir} holds no store`, { details: { dir } });
}

function note(kind: string, what: string, advice: string, file: string | null = null): Finding {
  return { kind, severity: 'note', file, offset: '0', length: '0', what, advice, repaired: null };
}

function damageFinding({ fs }: StoreEnvironment, dir: string, found: Damage): Finding {
  const paths = storePaths(dir);
  if (found.code === 'FORMAT_VERSION') {
    const advice = 'Install the version of Helicorder that wrote it, or a later one.';
    return { ...note('version', found.what, advice, found.file), severity: 'damage' };
  }
  if (found.file === paths.catalog) {
    const advice = 'Nothing has to be done: the next owner makes it anew; --repair does it now.';
    return { ...note('catalog', `the catalog is damaged: ${found.what}`, advice, found.file) };
  }
  if (found.file === paths.storeJson || found.file === paths.mark) {
    const advice = 'The next owner makes it anew from the log; --repair does it now.';
    return { ...note('small-file', found.what, advice, found.file), severity: 'damage' };
  }
  if (found.file === paths.log) {
    const advice =
      'Keep the store as it is, and go on in another one: streams may be missing here.';
    return { ...note('log', found.what, advice, found.file), severity: 'damage' };
  }
  if (isQuarantined(readManifest(fs, dir), dir, found)) {
    const advice = 'Nothing: its records read as gap(corrupt), its bytes are in the quarantine.';
    return { ...note('known-damage', found.what, advice), ...found };
  }
  const advice =
    '--repair copies the bytes to DIR/quarantine and writes down which records are lost. ' +
    'If it comes again, replace the disk.';
  return { ...note('damage', found.what, advice), ...found, severity: 'damage' };
}

/** Places that records are missed for, and the one that is configured, whatever lies there. */
async function awayFindings(
  environment: StoreEnvironment,
  dir: string,
  missed: VerifyReport['away'],
): Promise<Finding[]> {
  const store = opened(environment, dir);
  if (store === undefined) return [];
  const configured = [...store.reader.state.places].at(-1);
  const away = await awayPlaces(store);
  store.close();
  const advice =
    'Mount it, or make the directory if it is new: until then what is sealed stays in the store.';
  return away
    .filter(({ place }) => place === configured || missed.some((one) => one.place === place))
    .map(({ place, what }) => note('place', what, advice, place));
}

/** The file system, how it can be written, what is left of it, and the machine. */
function placeFindings({ fs }: StoreEnvironment, dir: string): Finding[] {
  const paths = storePaths(dir);
  const findings: Finding[] = [];
  const { freeBytes, type, warning } = fs.info(dir);
  if (warning !== undefined) {
    findings.push(note('file-system', warning, 'Put the store on a local disk if you can.', dir));
  }
  const stated = soundIdentity(fs, dir);
  const segmentBytes = stated?.segmentBytes ?? SEGMENT_DEFAULT_BYTES;
  if (freeBytes < 2 * segmentBytes) {
    const what = `${(freeBytes / MIB).toFixed(1)} MiB are free, less than two segments`;
    findings.push(note('free-space', what, 'Free some space, or give the store a budget.', dir));
  }
  const direct = rungOf(fs, paths.log);
  if (direct !== 'direct') {
    const what = `${type} is written by buffered writes and fdatasync: ${direct}`;
    findings.push(note('rung', what, 'Nothing: it is as durable, and somewhat slower.', dir));
  }
  const machine = hex(readMachineId(fs));
  const bound = stated ? hex(stated.machineId) : machine;
  if (isKnown(machine) && isKnown(bound) && machine !== bound) {
    const what = `the store is bound to machine ${bound}, this is ${machine}: it was copied here`;
    findings.push(note('machine', what, 'The next owner gives it an id of its own.', dir));
  }
  return findings;
}

const isKnown = (machineId: string): boolean => !/^0*$/.test(machineId);

function soundIdentity(fs: StoreEnvironment['fs'], dir: string): ReturnType<typeof readStoreJson> {
  try {
    return readStoreJson(fs, storePaths(dir).storeJson);
  } catch {
    // verify has said what is wrong with it
    return undefined;
  }
}

function rungOf(fs: StoreEnvironment['fs'], logDir: string): string {
  try {
    return fs.probeDirect(logDir) ? 'direct' : 'it takes no direct writes';
  } catch (error) {
    return `it cannot be tried (${errnoCode(error) ?? String(error)})`;
  }
}

function ownerFindings({ fs, clock }: StoreEnvironment, dir: string): Finding[] {
  const paths = storePaths(dir);
  const lock = fs.exists(paths.lock) ? fs.lock(paths.lock, false) : undefined;
  const isOwned = lock === undefined && fs.exists(paths.lock);
  lock?.release();
  if (isOwned) {
    return [note('owner', 'a process records into the store', 'Stop it before --repair.', dir)];
  }
  try {
    const mark = openMark(fs, paths.mark, clock.bootId());
    mark?.close();
    if (mark !== undefined) return [];
  } catch {
    // of another version: verify has said so
  }
  if (isMarkDamaged(fs, paths.mark)) return []; // so has it of this
  const what = 'the mark is missing or of an earlier boot';
  return [note('mark', what, 'Nothing: the next owner makes it anew.', paths.mark)];
}

/** Ballast and spares: what a full disk is met with. */
function fileFindings({ fs }: StoreEnvironment, dir: string): Finding[] {
  const paths = storePaths(dir);
  const findings: Finding[] = [];
  if (!fs.exists(paths.ballast)) {
    const what = 'there is no ballast: on a full disk nothing is kept in reserve';
    const advice = 'The next owner makes it if there is room; --repair does it now.';
    findings.push(note('ballast', what, advice, paths.ballast));
  }
  const zeros = (name: string): boolean => SPARE_NAME.test(name) && name !== RECYCLED_NAME;
  for (const name of fs.list(paths.log).filter(zeros)) {
    const path = `${paths.log}/${name}`;
    if (isZero(fs, path)) continue;
    const what = 'a segment made ahead holds something else than zeros';
    findings.push(note('spare', what, '--repair puts it aside; a new one is made.', path));
  }
  return findings;
}

function isZero(fs: StoreEnvironment['fs'], path: string): boolean {
  const file = fs.open(path, 'read');
  try {
    const piece = new Uint8Array(MIB);
    const size = file.size();
    if (size % BLOCK_BYTES !== 0) return false;
    for (let at = 0; at < size; at += piece.length) {
      const read = file.read(piece, at);
      if (piece.subarray(0, read).some((byte) => byte !== 0)) return false;
    }
    return true;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  } finally {
    file.close();
  }
}

/** Files that nothing of the store refers to. */
function otherFiles({ fs }: StoreEnvironment, dir: string): Finding[] {
  const { log, chunks } = storePaths(dir);
  const findingsIn = (place: string, { known, temporary }: Names): Finding[] =>
    (fs.isDirectory(place) ? fs.list(place) : [])
      .filter((name) => !known.test(name))
      .map((name) => ({ path: `${place}/${name}`, isLeft: temporary.test(name) }))
      .filter(({ path, isLeft }) => isLeft || !fs.isDirectory(path))
      .map(({ path, isLeft }) => (isLeft ? leftover(path) : foreign(path)));
  return [
    ...findingsIn(dir, STORE_NAMES),
    ...findingsIn(log, LOG_NAMES),
    ...findingsIn(chunks, CHUNK_NAMES),
  ];
}

function leftover(path: string): Finding {
  const what = 'nothing in the store refers to this file; it was left by a write that was cut off';
  return note('leftover', what, '--repair moves it to DIR/quarantine.', path);
}

function foreign(path: string): Finding {
  return note('foreign', 'this file is not of the store', 'Nothing: it is left alone.', path);
}

/** Chunks that do not count: a sealing that was cut off, or one whose entry damage has taken. */
function unlistedChunks(environment: StoreEnvironment, dir: string): Finding[] {
  const { fs } = environment;
  const { chunks } = storePaths(dir);
  const names = (fs.isDirectory(chunks) ? fs.list(chunks) : []).filter((name) =>
    CHUNK_NAMES.known.test(name),
  );
  const sealedEnd = names.length > 0 ? sealedEndOf(environment, dir) : undefined;
  if (sealedEnd === undefined) return [];
  const counted = new Set(chainOf(names, sealedEnd).map(chunkName));
  const what = 'the log does not say that this chunk counts';
  const advice = 'Nothing: it is made anew, or removed, when the store is sealed next.';
  return names
    .filter((name) => !counted.has(name))
    .map((name) => note('unlisted-chunk', what, advice, `${chunks}/${name}`));
}

function sealedEndOf(environment: StoreEnvironment, dir: string): number | undefined {
  const store = opened(environment, dir);
  store?.close();
  return store?.reader.state.sealedEnd;
}

/** @returns undefined if it cannot be opened: verify has said why */
function opened(environment: StoreEnvironment, dir: string): Store | undefined {
  try {
    return Store.open(dir, environment);
  } catch (error) {
    if (error instanceof HelicorderError && error.code !== 'FORMAT_VERSION') return undefined;
    throw error;
  }
}
