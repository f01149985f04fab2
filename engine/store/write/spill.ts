/**
 * Transactions that are larger than memory: what does not fit in one group is spilled (SQLite's
 * word) into files under `DIR/txn`, group after group, each durable when its write returns.
 *
 *   append ─▶ group in DIR/txn/<name>.spill        runs by index, offsets from 0: nobody knows them
 *   prepare ─▶ the last group, the directory       all of it would survive
 *   commit ─▶ one entry in the log                 offsets and runs are given here; readers see all
 *                                                  of it, or none
 *   sealing ─▶ chunk holds the records             nothing needs the file any more
 *
 * A spill is a segment with one life: header, groups, links and checksums are those of the log
 * (`docs/format-log.md`). It has no snapshot, and what is in it counts only by the entry that names
 * it with its last group. So a commit costs the same whatever it commits, and no recorder waits for
 * a gigabyte to be written behind its samples.
 *
 * Files that neither an open transaction nor an entry of the log needs are garbage: what a killed
 * owner had open, what was aborted, what has been sealed. They are swept when an owner begins and
 * when segments are let go of. Garbage that cannot be removed ends nobody: it costs space, which
 * the budget counts, and each sweep tries again.
 *
 * On the owner's thread: a write takes as long as that of a group.
 */
import { SPILL_SEGMENT, saltOf, spillPath } from '../log/spill-file.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { BLOCK_BYTES, SEGMENT_MAX_BYTES, TXN_PARTS_MAX } from '../../base/constants.ts';
import { HelicorderError, errnoCode, ioError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { DurableFile, FileSystem } from '../../files/file-system.ts';
import { beyondLimit } from '../../txn/participant.ts';
import { dataItems } from '../entries/data.ts';
import { hex } from '../../base/bytes.ts';
import {
  NO_LINK,
  encodeSegmentHeader,
  groupLimit,
  type Link,
  type SegmentHeader,
  type StoreIdentity,
} from '../entries/format.ts';
import { GroupBuilder, GroupMemory, plannedSize, type PlannedGroup } from '../log/group.ts';
import { SpillParts, type SpillEntry } from '../entries/spill-entry.ts';
import type { LiveSpills } from '../state/live-spills.ts';

export interface SpillOptions {
  fs: FileSystem;
  clock: Clock;
  random: Random;
  /** `DIR/txn` */
  dir: string;
  direct: boolean;
  identity: StoreIdentity;
  /** what is less stays in memory, and is written as one group otherwise */
  groupBytes: number;
  /** what the log takes of entries that sum up one transaction */
  entryBytes: number;
  /** does the store's budget allow `bytes` more? */
  mayGrow: (bytes: number) => boolean;
}

/** The spills of one owner: those that are open, and those that are garbage. */
export class Spills {
  readonly #options: SpillOptions;
  /** files that the log does not name yet */
  readonly #open = new Set<string>();
  /** files that damage may hide the entries of */
  readonly #withheld = new Set<string>();
  /** garbage that is still there: file → why */
  readonly #stuck = new Map<string, string>();
  #workspace: Workspace | undefined;

  constructor(options: SpillOptions) {
    this.#options = options;
  }

  /** Of a transaction: what may stay in memory. */
  get keptBytes(): number {
    return this.#options.groupBytes;
  }

  begin(): Spill {
    const { fs, dir } = this.#options;
    fs.makeDirectory(dir);
    this.#workspace ??= {
      memory: new GroupMemory(fs),
      builder: new GroupBuilder(BLOCK_BYTES),
    };
    return new Spill(this.#options, this.#workspace, {
      begun: (name) => this.#open.add(name),
      dropped: (names) => this.#drop(names),
    });
  }

  /** What a person should know of garbage that cannot be removed. */
  get warnings(): string[] {
    return [...this.#stuck.values()].map(
      (why) => `${why}; it only takes space, and is tried again later`,
    );
  }

  /** @param known those whose entries are in the log: nobody else keeps them from now on */
  settle(known: LiveSpills): void {
    for (const name of this.#open) if (known.has(name)) this.#open.delete(name);
  }

  /** What is garbage now, by the log, may not be: damage was found in it. */
  withhold(known: LiveSpills): void {
    for (const name of this.#garbage(known)) this.#withheld.add(name);
  }

  /** Removes what is garbage. @param known those that the log names, and no chunk holds */
  sweep(known: LiveSpills): void {
    this.#stuck.clear();
    for (const file of this.#garbage(known)) this.#remove(file);
  }

  #drop(names: readonly string[]): void {
    for (const name of names) {
      this.#open.delete(name);
      this.#remove(`${name}.spill`);
    }
  }

  #remove(file: string): void {
    const { fs, dir } = this.#options;
    const path = `${dir}/${file}`;
    try {
      edge('spill-remove', () => fs.remove(path));
    } catch (error) {
      const errno = errnoCode(error);
      // it could not even be made
      if (errno === 'ENOENT') return;
      if (errno === undefined && !(error instanceof HelicorderError)) throw error;
      this.#stuck.set(file, ioError(error, 'cannot remove', path).message);
    }
  }

  #garbage(known: LiveSpills): string[] {
    const { fs, dir } = this.#options;
    return fs.list(dir).filter((file) => {
      const name = file.replace(/\.spill$/, '');
      return !known.has(name) && !this.#open.has(name) && !this.#withheld.has(file);
    });
  }
}

/** Of a part in its entry, at most: two dozen numbers, and a sum for each reason of gaps. */
const PART_BYTES = 1024;

interface SpillFile {
  name: string;
  header: SegmentHeader;
  /** where the next group goes, and the one before it */
  offset: number;
  last: Link;
  firstOffset: number;
  parts: SpillParts;
}

/** Of one owner: one group is built at a time. */
interface Workspace {
  memory: GroupMemory;
  builder: GroupBuilder;
}

/** Who keeps account of the files. */
interface Account {
  begun: (name: string) => void;
  dropped: (names: readonly string[]) => void;
}

/** What one transaction has spilled. */
export class Spill {
  readonly #options: SpillOptions;
  readonly #workspace: Workspace;
  readonly #account: Account;
  readonly #files: SpillFile[] = [];
  /** of the last of them */
  #file: DurableFile | undefined;

  constructor(options: SpillOptions, workspace: Workspace, account: Account) {
    this.#options = options;
    this.#workspace = workspace;
    this.#account = account;
  }

  /**
   * Durable on return, but for the name of a new file.
   * @param fill adds data entries: their runs are indexes, their offsets counted from the
   *   transaction's first record
   * @throws NO_SPACE, STORE_IO; DAMAGED for entries that do not decode; Refused if there are more
   *   parts than one commit may have. Then the transaction is to be dropped
   */
  write(fill: (builder: GroupBuilder) => void): void {
    const { builder } = this.#workspace;
    try {
      fill(builder);
      this.#write(builder);
    } finally {
      builder.clear();
    }
  }

  /** Returns when all of it would survive. */
  prepare(): void {
    const { fs, dir } = this.#options;
    this.#guarded(() => edge('spill-directory', () => fs.syncDirectory(dir)));
  }

  /**
   * What the log is to say, once it is prepared.
   * @param base offset of the transaction's first record
   * @param runs their numbers, by index
   */
  entries(base: number, runs: readonly number[]): SpillEntry[] {
    return this.#files.map(({ name, offset, last, firstOffset, parts }) => ({
      ...{ name, end: offset, last, base, firstOffset: base + firstOffset, runs: [...runs] },
      parts: parts.list.map((part) => ({ ...part, run: runs[part.run]! })),
    }));
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /**
   * The transaction has ended without a commit: its files are garbage, and what of them cannot be
   * removed now is swept later.
   */
  drop(): void {
    this.close();
    this.#account.dropped(this.#files.map(({ name }) => name));
  }

  #write(builder: GroupBuilder): void {
    const groups = builder.plan(groupLimit(SEGMENT_MAX_BYTES));
    const size = plannedSize(groups);
    if (!this.#options.mayGrow(size.padded)) {
      throw new HelicorderError('NO_SPACE', 'the store has reached its budget (store.budget)');
    }
    const items = dataItems(builder.entries(), size, (_, error) => {
      throw error;
    });
    this.#guarded(() => {
      const target = this.#fileFor(size.padded, items[0]!.firstOffset);
      for (const group of groups) this.#writeGroup(target, group);
      for (const item of items) target.parts.add(item);
    });
    const parts = this.#files.reduce((sum, file) => sum + file.parts.list.length, 0);
    const most = Math.min(TXN_PARTS_MAX, Math.floor(this.#options.entryBytes / PART_BYTES));
    if (parts <= most) return;
    throw beyondLimit(`a transaction has at most ${most} parts (other runs, or back in time)`);
  }

  #writeGroup(target: SpillFile, group: PlannedGroup): void {
    const { memory, builder } = this.#workspace;
    const { header, offset, last: predecessor } = target;
    const { utcNanos: writtenNanos } = this.#options.clock.read();
    const place = { flags: group.flags, offset, predecessor, writtenNanos };
    const { bytes, link } = builder.seal(group, memory, header, place);
    edge('spill-group', () => this.#file!.write(bytes, offset));
    target.offset += bytes.length;
    target.last = link;
  }

  #fileFor(bytes: number, firstOffset: number): SpillFile {
    const current = this.#files.at(-1);
    if (current && current.offset + bytes <= SEGMENT_MAX_BYTES) return current;
    const { fs, dir, direct, random, clock, identity } = this.#options;
    this.close();
    const name = hex(random.bytes(8));
    const header: SegmentHeader = {
      ...{ segment: SPILL_SEGMENT, salt: saltOf(name), size: SEGMENT_MAX_BYTES },
      ...{ storeId: identity.storeId, machineId: identity.machineId, blockBytes: BLOCK_BYTES },
      ...{ createdNanos: clock.read().utcNanos, predecessor: NO_LINK },
      storeSegmentBytes: identity.segmentBytes,
      storeCreatedNanos: identity.createdNanos,
    };
    this.#account.begun(name);
    const made = { name, header, offset: BLOCK_BYTES, last: NO_LINK, firstOffset };
    const target: SpillFile = { ...made, parts: new SpillParts() };
    this.#files.push(target);
    this.#file = fs.openDurable(spillPath(dir, name), direct);
    const block = encodeSegmentHeader(header, this.#workspace.memory.blocks(BLOCK_BYTES));
    edge('spill-header', () => this.#file!.write(block, 0));
    return target;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw ioError(error, 'cannot write to', this.#options.dir);
    }
  }
}
