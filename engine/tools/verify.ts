/**
 * Reads everything a store holds and believes nothing: every checksum and link of the log, every
 * snapshot against the state computed up to it, every footer against what was read, every column,
 * and per stream the chain of seqs, offsets and ticks. It only reads, also beside a recorder, and
 * always has an answer: what cannot be read is damage in the report.
 */
import { HelicorderError, messageOf, isCode } from '../base/errors.ts';
import { readStoreJson, storePaths } from '../store/log/files.ts';
import { hex } from '../base/bytes.ts';
import { idsOf, identityOfLog, isOneStore } from '../store/state/identity.ts';
import type { Lsn, StoreIdentity } from '../store/entries/format.ts';
import { listSegments, openIfThere } from '../store/log/segment.ts';
import { checkCatalog } from '../store/state/catalog.ts';
import { checkChunk } from '../store/chunks/check.ts';
import { chunkName } from '../store/chunks/format.ts';
import { isMarkDamaged, lastDurable } from '../store/log/mark.ts';
import { untilOwnerIsKnown } from '../store/read/reader.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { TickAccount } from './gaps.ts';
import { StreamReader } from '../store/read/stream-reader.ts';
import type { Fault, RecordItem } from '../store/read/stream-item.ts';
import { Succession } from './succession.ts';
import type { VerifiedStream, VerifyReport } from './types.ts';
import { damage, damageOf, verifyLog } from './verify-log.ts';

/** @throws NOT_A_STORE; STORE_IN_USE while an owner is just beginning */
export async function verify(
  dir: string,
  environment: StoreEnvironment = systemEnvironment,
): Promise<VerifyReport> {
  const report: VerifyReport = { ok: false, streams: [], damage: [], tornTails: [], away: [] };
  const { fs } = environment;
  const paths = storePaths(dir);
  if (!fs.exists(dir)) throw new HelicorderError('NOT_A_STORE', `${dir}: no such directory`);
  const stated = statedIdentity(report, environment, dir);
  const end = durableEnd(report, environment, dir);
  if (fs.exists(paths.log)) verifyLog(report, fs, paths, end);
  else report.damage.push(damage(paths.log, 'no log directory'));
  const catalogDamage = checkCatalog(fs, paths.catalog);
  if (catalogDamage !== undefined) report.damage.push(damage(paths.catalog, catalogDamage));
  await readStreams(report, environment, dir, stated);
  report.ok = report.damage.length === 0 && report.away.length === 0;
  return report;
}

/** @returns what store.json says, if it can be believed */
function statedIdentity(
  report: VerifyReport,
  { fs }: StoreEnvironment,
  dir: string,
): StoreIdentity | undefined {
  const { storeJson } = storePaths(dir);
  try {
    const stated = readStoreJson(fs, storeJson);
    if (stated === undefined) report.damage.push(damage(storeJson, 'missing or damaged'));
    return stated;
  } catch (error) {
    report.damage.push(damage(storeJson, messageOf(error)));
    return undefined;
  }
}

/** store.json, the log and each segment's header are of one store, under whatever id it had. */
function checkIdentity(report: VerifyReport, stated: StoreIdentity, { reader }: Store): void {
  const { fs, paths, state } = reader;
  const logged = identityOfLog(fs, paths, state);
  if (logged && !isOneStore(stated, logged)) {
    report.damage.push(damage(paths.storeJson, 'store id of another store'));
    return;
  }
  const ids = idsOf(stated, state);
  for (const number of listSegments(fs, paths.log)) {
    const segment = readable(() => openIfThere(fs, paths.log, number));
    segment?.close();
    if (segment === undefined || segment.headerRebuilt) continue;
    if (ids.has(hex(segment.header.storeId))) continue;
    report.damage.push(damage(segment.path, 'segment of another store'));
  }
}

/** @returns undefined if the disk does not give it: that has been told of the log by now */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isCode(error, 'STORE_IO')) return undefined;
    throw error;
  }
}

/**
 * How far the log may be read: up to the owner's mark, or all of it if nobody owns the store.
 * @throws STORE_IN_USE by an owner that is just beginning, or whose mark is damaged
 */
function durableEnd(
  report: VerifyReport,
  { fs, clock, pause }: StoreEnvironment,
  dir: string,
): Lsn | undefined {
  const paths = storePaths(dir);
  const { end, isOwned } = untilOwnerIsKnown(paths, pause, () => {
    const lock = fs.exists(paths.lock) ? fs.lock(paths.lock, false) : undefined;
    lock?.release();
    if (lock !== undefined || !fs.exists(paths.lock)) return { end: undefined, isOwned: false };
    const durable = lastDurable(fs, paths.mark, clock.bootId()) ?? 0;
    return durable > 0 ? { end: durable, isOwned: true } : undefined;
  });
  const isDamaged = !isOwned && isMarkDamaged(fs, paths.mark);
  if (isDamaged) report.damage.push(damage(paths.mark, 'damaged'));
  return end;
}

/** Rot of the last groups looks like a torn write of them, but for what the mark has proved. */
function checkEnd(report: VerifyReport, { reader }: Store): void {
  for (const fault of reader.faults) {
    if (fault.lost) tellOnce(report, fault);
  }
}

/** Where no snapshot could be read, nobody knows what else there was. */
function checkKnowledge(report: VerifyReport, { reader }: Store): void {
  if (!reader.state.isPartial) return;
  report.damage.push(damage(reader.paths.log, 'damage has taken what the log said of its streams'));
}

/** Every byte of every chunk that counts. */
async function checkChunks(report: VerifyReport, { reader }: Store): Promise<void> {
  for (const range of await reader.chunks.chain(reader.state.sealedEnd)) {
    try {
      await reader.chunks.use(range, (chunk) =>
        checkChunk(chunk, (error) => report.damage.push(damageOf(error, chunk.path))),
      );
    } catch (error) {
      // a place that has gone since it was listed: the streams miss what lies there
      if (!isAway(error)) report.damage.push(damageOf(error, chunkName(range)));
    }
  }
}

async function readStreams(
  report: VerifyReport,
  environment: StoreEnvironment,
  dir: string,
  stated: StoreIdentity | undefined,
): Promise<void> {
  let store: Store;
  try {
    store = Store.open(dir, environment);
  } catch (error) {
    if (isInUse(error)) throw error;
    report.damage.push(damage(dir, messageOf(error)));
    return;
  }
  try {
    checkEnd(report, store);
    checkKnowledge(report, store);
    if (stated) checkIdentity(report, stated, store);
    await checkChunks(report, store);
    await checkStreams(report, store, dir);
  } finally {
    store.close();
  }
}

async function checkStreams(report: VerifyReport, store: Store, dir: string): Promise<void> {
  const streams = [...store.reader.state.streams.values()];
  streams.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { id, name } of streams) {
    try {
      report.streams.push(await readStream(store, id, name, report));
    } catch (error) {
      if (isInUse(error)) throw error;
      // removed while it was read
      if (isCode(error, 'NO_SUCH_STREAM')) continue;
      report.damage.push({ ...damageOf(error, dir), what: `${name}: ${messageOf(error)}` });
    }
  }
  const isShort = report.streams.some(({ awayRecords }) => awayRecords !== '0');
  if (isShort) report.away = await awayPlaces(store);
}

/** The places for chunks that cannot be reached now, whether or not anything lies there. */
export async function awayPlaces({ reader }: Store): Promise<VerifyReport['away']> {
  const found: VerifyReport['away'] = [];
  for (const place of reader.chunks.places) {
    try {
      await place.list();
    } catch (error) {
      if (!isAway(error)) throw error;
      const what = 'the place for chunks is not reachable; nothing is lost';
      found.push({ place: place.name, what });
    }
  }
  return found;
}

/** Somebody is just beginning to own the store: nothing can be said of it for the moment. */
function isInUse(error: unknown): boolean {
  return isCode(error, 'STORE_IN_USE');
}

function isAway(error: unknown): error is HelicorderError {
  return isCode(error, 'UNAVAILABLE');
}

async function readStream(
  store: Store,
  id: number,
  name: string,
  report: VerifyReport,
): Promise<VerifiedStream> {
  const check = new StreamCheck(report, name);
  const onAway = (records: number): void => check.passOver(records);
  const reader = new StreamReader(store.reader, id, 0, { onAway });
  for await (const item of reader.items()) {
    if (item.kind === 'fault') tellOnce(report, item.fault);
    else check.add(item);
  }
  return check.result();
}

/** Holds the records of a stream against each other: offsets, seqs and ticks have no holes. */
class StreamCheck {
  readonly #report: VerifyReport;
  readonly #name: string;
  readonly #account = new TickAccount();
  readonly #writers = new Map<string, { epoch: number; firstSeq: number; lastSeq: number }>();
  readonly #succession = new Succession();
  #seams = 0;
  #firstOffset: number | undefined;
  #lastOffset = -1;
  #nextOffset = 0;
  #awayRecords = 0;

  constructor(report: VerifyReport, name: string) {
    this.#report = report;
    this.#name = name;
  }

  /** Records that are away; what follows them is held against nothing before. */
  passOver(records: number): void {
    this.#awayRecords += records;
    this.#nextOffset += records;
    this.#succession.skip();
    this.#account.skip();
  }

  add(item: RecordItem): void {
    const { info, firstSeq, firstOffset, records } = item;
    const { writer, epoch } = info.run;
    const follows = this.#succession.take(item);
    if (firstOffset !== this.#nextOffset || follows === 'hole') {
      this.#damage(`hole before offset ${firstOffset} (seq ${firstSeq})`);
    }
    if (follows === 'seam') this.#seams++;
    this.#firstOffset ??= firstOffset;
    this.#nextOffset = firstOffset + records;
    this.#lastOffset = this.#nextOffset - 1;
    const lastSeq = firstSeq + records - 1;
    const known = this.#writers.get(writer);
    // nobody knows its seqs
    if (follows !== 'unknown')
      this.#writers.set(writer, { epoch, firstSeq: known?.firstSeq ?? firstSeq, lastSeq });
    if (item.kind !== 'events') this.#account.add(item, follows);
  }

  #damage(what: string): void {
    this.#report.damage.push(damage(this.#name, what));
  }

  result(): VerifiedStream {
    const account = this.#account;
    for (const sentence of account.imbalances) this.#damage(`ticks do not balance ${sentence}`);
    const records = this.#nextOffset - this.#awayRecords;
    return {
      name: this.#name,
      records: String(records),
      firstOffset: records === 0 ? null : String(this.#firstOffset),
      lastOffset: records === 0 ? null : String(this.#lastOffset),
      awayRecords: String(this.#awayRecords),
      seams: String(this.#seams),
      writers: [...this.#writers].map(([id, { epoch, firstSeq, lastSeq }]) => ({
        id,
        epoch: String(epoch),
        firstSeq: String(firstSeq),
        lastSeq: String(lastSeq),
      })),
      ticksScheduled: String(account.scheduled),
      samples: String(account.samples),
      gaps: gapsOf(account),
    };
  }
}

type Place = Pick<Fault, 'file' | 'offset' | 'length' | 'what'>;

/** Most of what a reader meets has been reported already: all but chunks that are not there. */
function tellOnce(report: VerifyReport, { file, offset, length, what }: Place): void {
  const found = damage(file, what, offset, length);
  const isKnown = report.damage.some(
    (known) => known.file === found.file && known.offset === found.offset,
  );
  if (!isKnown) report.damage.push(found);
}

/** Per reason; ticks are null where one of its gaps has none. */
function gapsOf(account: TickAccount): VerifiedStream['gaps'] {
  return account.byReason().map(([reason, { ticks, isPartial }]) => {
    return { reason, ticks: isPartial ? null : String(ticks), knownTicks: String(ticks) };
  });
}
