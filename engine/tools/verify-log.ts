/**
 * The log by itself, group after group: every link, every snapshot against the state computed up to
 * it, every footer against what was read.
 *
 * Beside an owner, segments go into chunks while they are read: one that is not there any more may
 * have looked like anything, so what was found is thrown away and the rest of the log read again.
 * Each time it begins further on, and what has gone is read in its chunk.
 */
import { HelicorderError, isCode, messageOf } from '../base/errors.ts';
import type { DataItem } from '../store/entries/data-item.ts';
import type { StorePaths } from '../store/log/files.ts';
import { KIND, type Lsn } from '../store/entries/format.ts';
import {
  readLog,
  segmentStart,
  type LogFault,
  type LogGroup,
  type LogItem,
} from '../store/log/log.ts';
import { SegmentIndex } from '../store/entries/segment-index.ts';
import { listSegments, segmentPath } from '../store/log/segment.ts';
import { isCorruptGap } from '../store/state/losses.ts';
import { heldItems } from '../store/log/spill-reader.ts';
import { ControlState } from '../store/state/state.ts';
import type { StoreEnvironment } from '../store/store.ts';
import type { Damage, VerifyReport } from './types.ts';

export function damage(file: string, what: string, offset = 0, length = 0): Damage {
  return { file, offset: String(offset), length: String(length), what };
}

/** @param file where the error does not name one */
export function damageOf(error: unknown, file: string): Damage {
  if (!(error instanceof HelicorderError)) return damage(file, messageOf(error));
  const { details, message } = error;
  const what = isCode(error, 'STORE_IO') ? `cannot be read: ${details.errno}` : message;
  const { offset = 0, length = 0 } = details;
  const found = damage(String(details.file ?? file), what, Number(offset), Number(length));
  return isCode(error, 'FORMAT_VERSION') ? { ...found, code: 'FORMAT_VERSION' } : found;
}

type LogPaths = Pick<StorePaths, 'log' | 'spills'>;
type LogReport = Pick<VerifyReport, 'damage' | 'tornTails'>;

/** @param end nothing at or behind it is read; undefined: all there is */
export function verifyLog(
  report: LogReport,
  fs: StoreEnvironment['fs'],
  paths: LogPaths,
  end: Lsn | undefined,
): void {
  for (;;) {
    const first = listSegments(fs, paths.log)[0];
    if (first === undefined) return;
    const found = readLogFrom(fs, paths, first, end);
    const firstLeft = listSegments(fs, paths.log)[0] ?? first;
    if (firstLeft > first && found.badSegments.some((segment) => segment < firstLeft)) continue;
    report.damage.push(...found.damage);
    report.tornTails.push(...found.tornTails);
    return;
  }
}

type DamagedRange = Pick<LogFault, 'segment' | 'file' | 'offset' | 'length'>;

interface FoundLog extends LogReport {
  /** what was found is in these */
  badSegments: number[];
}

function readLogFrom(
  fs: StoreEnvironment['fs'],
  paths: LogPaths,
  first: number,
  end: Lsn | undefined,
): FoundLog {
  const found: FoundLog = { damage: [], tornTails: [], badSegments: [] };
  const checker = new LogChecker(found, fs, paths);
  for (let from: number | undefined = first; from !== undefined;) {
    try {
      for (const item of readLog(
        fs,
        paths.log,
        { lsn: segmentStart(from), last: undefined },
        end,
      )) {
        checker.item(item);
      }
      from = undefined;
    } catch (error) {
      const told = damageOf(error, paths.log);
      const segments = listSegments(fs, paths.log);
      const bad = segments.find((number) => segmentPath(paths.log, number) === told.file);
      // whichever it was: if the first has gone by now, this one may have as well
      checker.found(told, bad ?? first);
      from = segments.find((number) => number > (bad ?? Infinity));
    }
  }
  return found;
}

/** Follows the log with the control state and holds snapshots and footers against it. */
class LogChecker {
  readonly #report: FoundLog;
  readonly #fs: StoreEnvironment['fs'];
  readonly #paths: LogPaths;
  #state: ControlState | undefined;
  #index = new SegmentIndex();
  #lossy = false;

  constructor(report: FoundLog, fs: StoreEnvironment['fs'], paths: LogPaths) {
    this.#report = report;
    this.#fs = fs;
    this.#paths = paths;
  }

  item(item: LogItem): void {
    if (item.kind === 'group') this.#group(item);
    else if (item.lost) this.#damage(item, item.what);
    else {
      const { segment, file, offset, length } = item;
      this.#report.tornTails.push({ file, offset: String(offset), length: String(length) });
      this.#report.badSegments.push(segment);
    }
  }

  #damage({ segment, file, offset, length }: DamagedRange, what: string): void {
    this.found(damage(file, what, offset, length), segment);
  }

  found(found: Damage, segment: number): void {
    this.#report.damage.push(found);
    this.#report.badSegments.push(segment);
    this.#lossy = true;
  }

  #group(group: LogGroup): void {
    const { segment, offset, size } = group;
    const file = segmentPath(this.#paths.log, segment);
    const range = { segment, file, offset, length: size.padded };
    if (group.entries.all().some((entry) => !entry.intact)) this.#lossy = true;
    else if (!group.entries.areIntact()) {
      this.#damage(range, 'checksum of an entry');
    }
    try {
      if (group.isSnapshot) this.#snapshot(group);
      else this.#records(group);
    } catch (error) {
      this.#damage(range, messageOf(error));
    }
  }

  /** The files that a group names hold what was accounted for. */
  #spills(group: LogGroup, accounted: readonly DataItem[]): void {
    const held = { records: 0, samples: 0, ticks: 0 };
    for (const found of heldItems(this.#fs, this.#paths.spills, group)) {
      if (found.kind === 'fault') return this.#damage(found, found.what);
      addTo(held, found.items);
    }
    const stated = addTo({ records: 0, samples: 0, ticks: 0 }, accounted);
    const { records, samples, ticks } = stated;
    const isSame = held.records === records && held.samples === samples && held.ticks === ticks;
    if (!isSame) throw new HelicorderError('DAMAGED', 'a spill is not what the log says');
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
    const items = this.#state.apply(group, this.#lossy);
    this.#index.add(items, group.offset);
    if (items.some(({ kind }) => kind === 'spilled')) this.#spills(group, items);
    // an owner has found damage here, and counted without what may have come back since
    const foundLoss = group.entries.all().some(({ kind }) => kind === KIND.lost);
    this.#lossy ||= foundLoss || items.some(isCorruptGap);
    const footer = group.entries.all().find((entry) => entry.kind === KIND.footer && entry.intact);
    if (footer === undefined || this.#lossy) return;
    const computed = this.#index.footer();
    if (Buffer.compare(computed, footer.payload) !== 0) {
      throw new HelicorderError('DAMAGED', 'the footer is not what the segment holds');
    }
  }
}

type Sums = Pick<DataItem, 'records' | 'samples' | 'ticks'>;

function addTo(sums: Sums, items: readonly DataItem[]): Sums {
  for (const { records, samples, ticks } of items) {
    sums.records += records;
    sums.samples += samples;
    sums.ticks += ticks;
  }
  return sums;
}

function bytesOf(state: ControlState): Buffer {
  return Buffer.concat(state.snapshot().map(({ payload }) => payload));
}
