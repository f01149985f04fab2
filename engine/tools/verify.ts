/**
 * Reads everything a store holds and believes nothing: every checksum and link of the log, every
 * snapshot against the state computed up to it, every footer against what was read, every column,
 * and per stream the chain of seqs, offsets and ticks. It only reads, also beside a recorder, and
 * always has an answer: what cannot be read is damage in the report.
 */
import { HelicorderError, messageOf } from '../base/errors.ts';
import { hex, readStoreJson, storePaths } from '../store/files.ts';
import { idsOf, identityOfLog, isOneStore } from '../store/identity.ts';
import type { StoreIdentity } from '../store/log/log-writer.ts';
import { SegmentIndex } from '../store/log/segment-index.ts';
import { KIND, type Lsn } from '../store/log/format.ts';
import { readLog, segmentStart, type LogGroup } from '../store/log/log.ts';
import { listSegments, openSegment, segmentPath } from '../store/log/segment.ts';
import { checkCatalog } from '../store/catalog.ts';
import { checkChunk } from '../store/chunks/check.ts';
import { footerEntry } from '../store/control.ts';
import { isCorruptGap } from '../store/losses.ts';
import { openMark } from '../store/mark.ts';
import { ControlState } from '../store/state.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../store/store.ts';
import { TickAccount } from './gaps.ts';
import type { Fault } from '../store/stream-item.ts';
import type { Damage, VerifiedStream, VerifyReport } from './types.ts';

export async function verify(
  dir: string,
  environment: StoreEnvironment = systemEnvironment,
): Promise<VerifyReport> {
  const report: VerifyReport = { ok: false, streams: [], damage: [], tornTails: [] };
  const { fs } = environment;
  const paths = storePaths(dir);
  if (!fs.exists(dir)) throw new HelicorderError('NOT_A_STORE', `${dir}: no such directory`);
  const stated = statedIdentity(report, environment, dir);
  const end = durableEnd(report, environment, dir);
  if (fs.exists(paths.log)) readWholeLog(report, environment, dir, end);
  else report.damage.push(damage(paths.log, 'no log directory'));
  const catalogDamage = checkCatalog(fs, paths.catalog);
  if (catalogDamage !== undefined) report.damage.push(damage(paths.catalog, catalogDamage));
  await readStreams(report, environment, dir, stated);
  report.ok = report.damage.length === 0;
  return report;
}

function damage(file: string, what: string, offset = 0, length = 0): Damage {
  return { file, offset: String(offset), length: String(length), what };
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
    const segment = openSegment(fs, paths.log, number);
    segment?.close();
    if (segment === undefined || segment.headerRebuilt) continue;
    if (ids.has(hex(segment.header.storeId))) continue;
    report.damage.push(damage(segment.path, 'segment of another store'));
  }
}

/** How far the log may be read: up to the owner's mark, or all of it if nobody owns the store. */
function durableEnd(
  report: VerifyReport,
  { fs, clock }: StoreEnvironment,
  dir: string,
): Lsn | undefined {
  const paths = storePaths(dir);
  const lock = fs.exists(paths.lock) ? fs.lock(paths.lock, false) : undefined;
  const isOwned = lock === undefined && fs.exists(paths.lock);
  lock?.release();
  if (!isOwned) return undefined;
  const mark = openMark(fs, paths.mark, clock.bootId());
  const durable = mark?.read();
  mark?.close();
  if (durable === undefined) report.damage.push(damage(paths.mark, 'missing, damaged or stale'));
  return durable?.durableLsn;
}

function readWholeLog(
  report: VerifyReport,
  environment: StoreEnvironment,
  dir: string,
  end: Lsn | undefined,
): void {
  const { fs } = environment;
  const { log } = storePaths(dir);
  const first = listSegments(fs, log)[0];
  if (first === undefined) return;
  const checker = new LogChecker(report, log);
  try {
    for (const item of readLog(fs, log, { lsn: segmentStart(first), last: undefined }, end)) {
      if (item.kind === 'group') checker.group(item);
      else if (item.lost) checker.damage(item.file, item.what, item.offset, item.length);
      else {
        const { file, offset, length } = item;
        report.tornTails.push({ file, offset: String(offset), length: String(length) });
      }
    }
  } catch (error) {
    checker.damage(log, messageOf(error), 0, 0);
  }
}

/** Follows the log with the control state and holds snapshots and footers against it. */
class LogChecker {
  readonly #report: VerifyReport;
  readonly #logDir: string;
  #state: ControlState | undefined;
  #index = new SegmentIndex();
  #lossy = false;

  constructor(report: VerifyReport, logDir: string) {
    this.#report = report;
    this.#logDir = logDir;
  }

  damage(file: string, what: string, offset: number, length: number): void {
    this.#report.damage.push(damage(file, what, offset, length));
    this.#lossy = true;
  }

  group(group: LogGroup): void {
    const file = segmentPath(this.#logDir, group.segment);
    if (group.entries.all().some((entry) => !entry.intact)) this.#lossy = true;
    else if (!group.entries.areIntact()) {
      this.damage(file, 'checksum of an entry', group.offset, group.size.padded);
    }
    try {
      if (group.isSnapshot) this.#snapshot(group);
      else this.#records(group);
    } catch (error) {
      this.damage(file, messageOf(error), group.offset, group.size.padded);
    }
  }

  #snapshot(group: LogGroup): void {
    const stated = ControlState.fromSnapshot(group.entries.all());
    const computed = this.#state;
    this.#state = stated;
    this.#index = new SegmentIndex();
    if (computed === undefined || this.#lossy) return;
    if (Buffer.compare(bytesOf(stated), bytesOf(computed)) !== 0)
      throw new HelicorderError('DAMAGED', 'the snapshot is not what the log says');
  }

  #records(group: LogGroup): void {
    if (this.#state === undefined) return;
    const items = this.#state.apply(group.entries, group.size, this.#lossy);
    this.#index.add(items, group.offset);
    // an owner has found damage here, and counted without what may have come back since
    const foundLoss = group.entries.all().some(({ kind }) => kind === KIND.lost);
    this.#lossy ||= foundLoss || items.some(isCorruptGap);
    const footer = group.entries.all().find((entry) => entry.kind === KIND.footer && entry.intact);
    if (footer === undefined || this.#lossy) return;
    const computed = footerEntry.encode(this.#index.footer());
    if (Buffer.compare(computed, footer.payload) !== 0) {
      throw new HelicorderError('DAMAGED', 'the footer is not what the segment holds');
    }
  }
}

function bytesOf(state: ControlState): Buffer {
  return Buffer.concat(state.snapshot().map(({ payload }) => payload));
}

/** Rot of the last groups looks like a torn write of them, but for what the mark has proved. */
function checkEnd(report: VerifyReport, { reader }: Store): void {
  if (report.damage.length > 0) return;
  for (const { lost, file, what, offset, length } of reader.faults) {
    if (lost) report.damage.push(damage(file, what, offset, length));
  }
}

/** Every byte of every chunk that counts. */
async function checkChunks(report: VerifyReport, { reader }: Store): Promise<void> {
  for (const range of await reader.chunks.chain(reader.state.sealedEnd)) {
    try {
      await reader.chunks.use(range, (chunk) =>
        checkChunk(chunk, (error) => report.damage.push(damageOf(error))),
      );
    } catch (error) {
      report.damage.push(damageOf(error));
    }
  }
}

function damageOf(error: unknown): Damage {
  if (!(error instanceof HelicorderError)) throw error;
  const { file = '', offset = 0, length = 0 } = error.details;
  return damage(String(file), error.message, Number(offset), Number(length));
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
    if (report.damage.length === 0) report.damage.push(damage(dir, messageOf(error)));
    return;
  }
  checkEnd(report, store);
  if (stated) checkIdentity(report, stated, store);
  await checkChunks(report, store);
  for (const name of store.streamNames()) {
    try {
      report.streams.push(await readStream(store, name, report));
    } catch (error) {
      report.damage.push(damage(dir, `${name}: ${messageOf(error)}`));
    }
  }
  store.close();
}

async function readStream(
  store: Store,
  name: string,
  report: VerifyReport,
): Promise<VerifiedStream> {
  const account = new TickAccount();
  const writers = new Map<string, { epoch: number; firstSeq: number; lastSeq: number }>();
  let nextOffset = 0;
  for await (const item of store.read(name)) {
    if (item.kind === 'fault') {
      tellOnce(report, item.fault);
      continue;
    }
    const { info, firstSeq, firstOffset, records } = item;
    const { writer, epoch } = info.run;
    const known = writers.get(writer);
    if (firstOffset !== nextOffset || (known && firstSeq !== known.lastSeq + 1)) {
      report.damage.push(damage(name, `hole before offset ${firstOffset} (seq ${firstSeq})`));
    }
    nextOffset = firstOffset + records;
    const lastSeq = firstSeq + records - 1;
    writers.set(writer, { epoch, firstSeq: known?.firstSeq ?? firstSeq, lastSeq });
    if (item.kind !== 'events') account.add(item);
  }
  for (const sentence of account.imbalances) {
    report.damage.push(damage(name, `ticks do not balance ${sentence}`));
  }
  return {
    name,
    records: String(nextOffset),
    firstOffset: nextOffset === 0 ? null : '0',
    lastOffset: nextOffset === 0 ? null : String(nextOffset - 1),
    writers: [...writers].map(([id, { epoch, firstSeq, lastSeq }]) => ({
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

/** Most of what a reader meets has been reported already: all but chunks that are not there. */
function tellOnce(report: VerifyReport, { file, offset, length, what }: Fault): void {
  const found = damage(file, what, offset, length);
  const isKnown = report.damage.some(
    (known) => known.file === found.file && known.offset === found.offset,
  );
  if (!isKnown) report.damage.push(found);
}

/** Per reason; ticks are null where one of its gaps has none. */
function gapsOf(account: TickAccount): VerifiedStream['gaps'] {
  const sums = new Map<string, number | null>();
  for (const { reason, ticks } of account.gaps) {
    const sum = sums.has(reason) ? sums.get(reason)! : 0;
    sums.set(reason, sum === null || ticks === undefined ? null : sum + ticks.count);
  }
  if (account.filtered.gaps > 0) sums.set('filtered', account.filtered.ticks);
  return [...sums].map(([reason, ticks]) => ({
    reason,
    ticks: ticks === null ? null : String(ticks),
  }));
}
