/**
 * Reading a store, in any process, beside a running owner or without one.
 *
 * With an owner, the mark says how far the log is durable, and nothing behind it is looked at.
 * Without one, the reader takes the shared lock while it scans the newest segment and syncs it,
 * and then reads up to there. Either way it costs the owner nothing, and the control state is
 * computed from the log by the same code as the owner's.
 *
 * A stream is read through a StreamReader: it finds the segment in which an offset lies by the
 * snapshots that begin the segments (binary search), walks the groups from there, and can go on
 * when `refresh` has moved the end. Offsets that damage has swallowed come out as gap(corrupt).
 */
import type { Clock } from '../../base/clock.ts';
import { LOCK_WAIT_MS } from '../../base/constants.ts';
import { HelicorderError, doingIo, errnoCode, openError } from '../../base/errors.ts';
import type { FileSystem, MarkFile } from '../../files/file-system.ts';
import { usingFile } from '../../files/using-file.ts';
import { readStoreJson, storePaths, type StorePaths } from '../log/files.ts';
import { identityOfLog, sealedUnder } from '../state/identity.ts';
import { offsetOf, segmentOf, type Lsn, type StoreIdentity } from '../entries/format.ts';
import { DirectoryPlace } from '../chunks/directory-place.ts';
import { ChunkSet } from '../chunks/chunk-set.ts';
import type { ChunkOwner } from '../chunks/owner.ts';
import type { ChunkPlace } from '../chunks/place.ts';
import {
  KeptSegment,
  readLog,
  type LogFault,
  type LogGroup,
  type LogPosition,
} from '../log/log.ts';
import { SegmentIndex } from '../entries/segment-index.ts';
import { listSegments, segmentPath } from '../log/segment.ts';
import { markTag, openMark } from '../log/mark.ts';
import { locatePlace, type StreamPlace } from './locate.ts';
import { recover, recoverUnowned, type Recovered, type Wanted } from '../state/recover.ts';
import { ControlState } from '../state/state.ts';

export interface StoreReaderOptions {
  fs: FileSystem;
  clock: Clock;
  pause: (ms: number) => void;
  sleep: (ms: number) => Promise<void>;
  turn?: () => Promise<void> | undefined;
  /** the state is not to account for records: see `Wanted` */
  isControlOnly?: boolean;
}

export class StoreReader {
  readonly paths: StorePaths;
  readonly fs: FileSystem;
  readonly chunks: ChunkSet;
  /** the newest segment, for everybody who follows the log through this reader */
  readonly kept = new KeptSegment();
  readonly #options: StoreReaderOptions;
  readonly #clock: Clock;
  readonly #sleep: (ms: number) => Promise<void>;
  #mark: MarkFile | undefined;
  /** of the last owner, as long as nobody owns the store */
  #leftTag: string | undefined;
  #recovered: Recovered;
  #position: LogPosition;
  /** the state is ahead of the position: reading on has failed half way */
  #isAhead = false;
  #isClosed = false;

  private constructor(
    paths: StorePaths,
    options: StoreReaderOptions,
    mark: MarkFile | undefined,
    recovered: Recovered,
  ) {
    this.paths = paths;
    this.fs = options.fs;
    this.#options = options;
    this.chunks = new ChunkSet(
      () => this.#places(),
      () => this.owner,
    );
    this.#clock = options.clock;
    this.#sleep = options.sleep;
    this.#mark = mark;
    this.#recovered = recovered;
    this.#position = { lsn: recovered.end, last: recovered.last };
    if (mark === undefined) this.#leftTag = markTag(this.fs, paths.mark);
  }

  /** @throws NOT_A_STORE, FORMAT_VERSION, DAMAGED, STORE_IO, STORE_IN_USE */
  static open(dir: string, options: StoreReaderOptions): StoreReader {
    const paths = storePaths(dir);
    try {
      checkIsStore(options.fs, paths);
      return untilOwnerIsKnown(
        paths,
        options.pause,
        () => StoreReader.#unowned(paths, options) ?? StoreReader.#besideOwner(paths, options),
      );
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      throw openError(error, 'cannot read the store in', dir);
    }
  }

  static #unowned(paths: StorePaths, options: StoreReaderOptions): StoreReader | undefined {
    const { fs, clock } = options;
    const lock = fs.lock(paths.lock, false);
    if (lock === undefined) return undefined;
    try {
      const recovered = recoverUnowned(fs, paths, clock.bootId(), options) ?? emptyLog();
      syncNewest(fs, paths, recovered);
      return new StoreReader(paths, options, undefined, recovered);
    } finally {
      lock.release();
    }
  }

  static #besideOwner(paths: StorePaths, options: StoreReaderOptions): StoreReader | undefined {
    const { fs, clock, isControlOnly } = options;
    const mark = openMark(fs, paths.mark, clock.bootId());
    const durable = mark?.read();
    if (mark && durable && durable.durableLsn > 0) {
      const recovered = recoverUpTo(fs, paths.log, { end: durable.durableLsn, isControlOnly });
      if (recovered) return new StoreReader(paths, options, mark, recovered);
    }
    mark?.close();
    return undefined;
  }

  /** The store's own directory, and the places the configuration has named by now. */
  #places(): ChunkPlace[] {
    const { fs, paths, state } = this;
    const named = [...state.places].map((dir) => new DirectoryPlace(fs, dir, true));
    return [new DirectoryPlace(fs, paths.chunks), ...named];
  }

  /** undefined if nothing names it. @throws STORE_IO */
  get storeId(): Uint8Array | undefined {
    return this.#identity()?.storeId;
  }

  #identity(): StoreIdentity | undefined {
    const { fs, paths, state } = this;
    return doingIo(
      'cannot read',
      paths.storeJson,
      () => readStoreJson(fs, paths.storeJson) ?? identityOfLog(fs, paths, state),
    );
  }

  /** Whose chunks it reads; undefined if nothing names it. @throws STORE_IO */
  get owner(): ChunkOwner | undefined {
    const identity = this.#identity();
    if (identity === undefined) return undefined;
    const { storeId } = identity;
    return { storeId, sealedUnder: sealedUnder(identity, this.state), dir: this.paths.chunks };
  }

  /** To be awaited between the items of a stream: a long one leaves the thread to others, too. */
  turn(): Promise<void> | undefined {
    return this.#options.turn?.();
  }

  /** The control state as of `end`. */
  get state(): ControlState {
    return this.#recovered.state;
  }

  /** Damage met so far between the newest segment's beginning and the end. */
  get faults(): LogFault[] {
    return this.#recovered.faults;
  }

  get end(): Lsn {
    return this.#position.lsn;
  }

  /** Does a process record into this store right now, as far as the mark tells? */
  get isOwned(): boolean {
    return this.#mark !== undefined;
  }

  /**
   * Moves the end to what is durable now.
   * @returns true if something was added
   */
  refresh(): boolean {
    const durable = this.#mark?.read();
    return durable !== undefined && this.#advance(durable.durableLsn);
  }

  /**
   * Looks at the store afresh, whoever owns it now: where a segment has gone, the end that was
   * known is too old to say whether it has been sealed.
   */
  renew(): void {
    const fresh = StoreReader.open(this.paths.dir, this.#options);
    this.#mark?.close();
    this.#mark = fresh.#mark;
    this.#leftTag = fresh.#leftTag;
    this.#recovered = fresh.#recovered;
    this.#position = fresh.#position;
    this.#isAhead = false;
  }

  /** Looks afresh. @returns true if a place for chunks has been named meanwhile */
  hasNewPlace(): boolean {
    const { size } = this.state.places;
    this.renew();
    return this.state.places.size > size;
  }

  #advance(end: Lsn): boolean {
    if (end <= this.end) return false;
    if (this.#isAhead || !this.#readUpTo(end)) this.renew();
    return true;
  }

  /** @returns false if a segment on the way has gone: it is sealed by now */
  #readUpTo(end: Lsn): boolean {
    const log = readLog(this.fs, this.paths.log, this.#position, end, this.kept);
    this.#isAhead = true;
    try {
      let step = log.next();
      for (; !step.done; step = log.next()) {
        const item = step.value;
        if (item.kind === 'fault') {
          if (!this.fs.exists(item.file)) return false;
          this.faults.push(item);
        } else if (!item.isSnapshot) this.#take(item);
      }
      if (step.value.lsn < end && !this.#hasSegmentOf(end)) return false;
      this.#position = { ...step.value, lsn: end };
      this.#isAhead = false;
      return true;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return false;
      throw error;
    } finally {
      log.return(this.#position);
    }
  }

  #take(group: LogGroup): void {
    if (this.#options.isControlOnly) this.state.applyControl(group);
    else this.state.apply(group, this.faults.length > 0);
  }

  #hasSegmentOf(lsn: Lsn): boolean {
    return this.fs.exists(segmentPath(this.paths.log, segmentOf(lsn)));
  }

  /**
   * For who looks now and then and never waits for more: like `refresh`, and sees owners go and
   * come. It costs a few system calls. One that is closed knows what it knew.
   * @throws STORE_IN_USE if one that is beginning has not said for 2 s how far its log is durable
   */
  look(): void {
    if (this.#isClosed) return;
    if (this.#mark) {
      this.refresh();
      this.#checkOwner();
      this.refresh();
    } else if (markTag(this.fs, this.paths.mark) !== this.#leftTag) this.renew();
  }

  /**
   * Resolves when more may be durable, or after at most `timeoutMs`, or at once without an owner.
   */
  async wait(timeoutMs: number): Promise<void> {
    const mark = this.#mark;
    if (mark === undefined) return;
    const seen = mark.read();
    if (seen && seen.durableLsn > this.end) return;
    // a mark that somebody has overwritten says nothing until its owner has written it again
    await (seen ? mark.wait(seen.word, timeoutMs) : this.#sleep(timeoutMs));
    // closed, or looked at afresh meanwhile
    if (this.#mark !== mark) return;
    if (seen === undefined || mark.read()?.word === seen.word) this.#checkOwner();
  }

  /** The owner may have gone, or a new one may have come with a new mark. */
  #checkOwner(): void {
    const { fs, paths } = this;
    const lock = fs.lock(paths.lock, false);
    if (lock) {
      try {
        // its last mark may be another than ours: the log itself says how far it came
        const left = recoverUnowned(fs, paths, this.#clock.bootId());
        if (left) {
          syncNewest(fs, paths, left);
          this.#advance(left.end);
        }
        this.#leftTag = markTag(fs, paths.mark);
      } finally {
        lock.release();
      }
      this.#mark?.close();
      this.#mark = undefined;
      return;
    }
    if (fs.exists(paths.mark) && fs.inode(paths.mark) === this.#mark?.inode) return;
    const next = openMark(fs, paths.mark, this.#clock.bootId());
    if (next === undefined) return;
    this.#mark?.close();
    this.#mark = next;
  }

  close(): void {
    this.#isClosed = true;
    this.chunks.close();
    this.kept.close();
    this.#mark?.close();
    this.#mark = undefined;
  }

  /**
   * The beginning of the chunk or segment in which `offset` of a stream lies, and the stream's next
   * offset there.
   */
  locate(stream: number, offset: number): Promise<StreamPlace> {
    return locatePlace(this, stream, {
      inChunk: (row) => (row?.nextOffset ?? 0) > offset,
      inSegment: (snapshot) => (snapshot?.nextOffset ?? 0) > offset,
    });
  }
}

/**
 * What `look` finds, which finds nothing while an owner begins or ends: for moments, it has the
 * lock and no mark that says how far its log is durable.
 * @throws STORE_IN_USE
 */
export function untilOwnerIsKnown<T>(
  { dir }: Pick<StorePaths, 'dir'>,
  pause: (ms: number) => void,
  look: () => T | undefined,
): T {
  const stepMs = 10;
  for (let waitedMs = 0; waitedMs <= LOCK_WAIT_MS; waitedMs += stepMs) {
    const found = look();
    if (found !== undefined) return found;
    pause(stepMs);
  }
  throw new HelicorderError(
    'STORE_IN_USE',
    `the owner of ${dir} has not said yet how far its log is durable; try again`,
  );
}

function checkIsStore(fs: FileSystem, paths: StorePaths): void {
  if (readStoreJson(fs, paths.storeJson) !== undefined || fs.exists(paths.log)) return;
  throw new HelicorderError('NOT_A_STORE', `${paths.dir} holds no store`, {
    details: { dir: paths.dir },
  });
}

function syncNewest(fs: FileSystem, paths: StorePaths, { end }: Recovered): void {
  if (offsetOf(end) === 0) return;
  usingFile(fs, segmentPath(paths.log, segmentOf(end)), 'read', (file) => file.sync());
}

/** @returns undefined if the segment of `end` has been sealed meanwhile: the mark says more */
function recoverUpTo(
  fs: FileSystem,
  logDir: string,
  wanted: Wanted & { end: Lsn },
): Recovered | undefined {
  const { end } = wanted;
  try {
    const recovered = recover(fs, logDir, wanted) ?? emptyLog();
    if (recovered.end === end && recovered.faults.length === 0) return recovered;
    const isSealed = (listSegments(fs, logDir)[0] ?? 0) > segmentOf(end);
    return isSealed ? undefined : recovered;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function emptyLog(): Recovered {
  return {
    state: new ControlState(),
    end: 0,
    last: { lsn: 0, length: 0, crc: 0 },
    writeFrom: 0,
    faults: [],
    index: new SegmentIndex(),
    unbegun: [],
  };
}
