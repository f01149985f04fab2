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
 * when segments are let go of.
 *
 * On the owner's thread: a write takes as long as that of a group.
 */
import type { Clock, Random } from '../base/clock.ts';
import {
  BLOCK_BYTES,
  GROUP_MAX_BYTES,
  SEGMENT_MAX_BYTES,
  TXN_PARTS_MAX,
} from '../base/constants.ts';
import { HelicorderError, ioError } from '../base/errors.ts';
import { edge } from '../base/failpoint.ts';
import type { DurableFile, FileSystem } from '../files/file-system.ts';
import { Refused } from '../txn/participant.ts';
import { dataItems } from './data.ts';
import { hex } from './files.ts';
import {
  NO_LINK,
  encodeSegmentHeader,
  groupLimit,
  type Link,
  type SegmentHeader,
  type StoreIdentity,
} from './log/format.ts';
import { GroupBuilder, plannedSize } from './log/group.ts';
import { SpillParts, type LiveSpills, type SpillEntry } from './spill-entry.ts';

/** The segment number in every spill. */
export const SPILL_SEGMENT = 1;

export function spillPath(dir: string, name: string): string {
  return `${dir}/${name}.spill`;
}

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
  /** does the store's budget allow `bytes` more? */
  mayGrow: (bytes: number) => boolean;
}

/** The spills of one owner: those that are open, and those that are garbage. */
export class Spills {
  readonly #options: SpillOptions;
  /** files that the log does not name yet */
  readonly #open = new Set<string>();
  #memory: Uint8Array | undefined;

  constructor(options: SpillOptions) {
    this.#options = options;
  }

  /** Of a transaction: what may stay in memory. */
  get keptBytes(): number {
    return this.#options.groupBytes;
  }

  begin(): Spill {
    this.#options.fs.makeDirectory(this.#options.dir);
    this.#memory ??= this.#options.fs.alignedBuffer(GROUP_MAX_BYTES);
    return new Spill(this.#options, this.#memory, this.#open);
  }

  /** @param known those whose entries are in the log: nobody else keeps them from now on */
  settle(known: LiveSpills): void {
    for (const name of this.#open) if (known.has(name)) this.#open.delete(name);
  }

  /** Removes what is garbage. @param known those that the log names, and no chunk holds */
  sweep(known: LiveSpills): void {
    const { fs, dir } = this.#options;
    for (const file of fs.list(dir)) {
      const name = file.replace(/\.spill$/, '');
      if (known.has(name) || this.#open.has(name)) continue;
      removeFile(fs, `${dir}/${file}`);
    }
  }
}

function removeFile(fs: FileSystem, path: string): void {
  try {
    edge('spill-remove', () => fs.remove(path));
  } catch (error) {
    throw ioError(error, 'cannot remove', path);
  }
}

interface SpillFile {
  name: string;
  header: SegmentHeader;
  file: DurableFile;
  /** where the next group goes, and the one before it */
  offset: number;
  last: Link;
  firstOffset: number;
  parts: SpillParts;
}

/** What one transaction has spilled. */
export class Spill {
  readonly #options: SpillOptions;
  readonly #memory: Uint8Array;
  readonly #open: Set<string>;
  readonly #builder = new GroupBuilder(BLOCK_BYTES);
  readonly #files: SpillFile[] = [];

  /** @param open is told of the files that are its own */
  constructor(options: SpillOptions, memory: Uint8Array, open: Set<string>) {
    this.#options = options;
    this.#memory = memory;
    this.#open = open;
  }

  /**
   * @param fill adds data entries: their runs are indexes, their offsets counted from the
   *   transaction's first record
   * @throws NO_SPACE, STORE_IO; Refused if there are more parts than one commit may have
   */
  add(fill: (builder: GroupBuilder) => void): void {
    fill(this.#builder);
    if (this.#builder.bytes >= this.#options.groupBytes) this.#write();
  }

  /** Returns when all of it is durable. */
  prepare(): void {
    const { fs, dir } = this.#options;
    this.#write();
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
    for (const { file } of this.#files) file.close();
  }

  /** The transaction has ended without a commit. */
  drop(): void {
    this.close();
    const { fs, dir } = this.#options;
    for (const { name } of this.#files) {
      removeFile(fs, spillPath(dir, name));
      this.#open.delete(name);
    }
  }

  #write(): void {
    if (this.#builder.isEmpty) return;
    const groups = this.#builder.plan(groupLimit(SEGMENT_MAX_BYTES));
    const size = plannedSize(groups);
    if (!this.#options.mayGrow(size.padded)) {
      throw new HelicorderError('NO_SPACE', 'the store has reached its budget (store.budget)');
    }
    const items = dataItems(this.#builder.entries(), size, (_, error) => {
      throw error;
    });
    this.#guarded(() => {
      const target = this.#fileFor(size.padded, items[0]!.firstOffset);
      for (const group of groups) this.#writeGroup(target, group);
      for (const item of items) target.parts.add(item);
    });
    this.#builder.clear();
    const parts = this.#files.reduce((sum, file) => sum + file.parts.list.length, 0);
    if (parts > TXN_PARTS_MAX) throw new Refused({ kind: 'REJECTED', reason: 'LIMIT' });
  }

  #writeGroup(target: SpillFile, group: ReturnType<GroupBuilder['plan']>[number]): void {
    const { header, offset, last: predecessor } = target;
    const { utcNanos: writtenNanos } = this.#options.clock.read();
    const place = { flags: group.flags, offset, predecessor, writtenNanos };
    const sealed = this.#builder.seal(group, this.#memory, header, place);
    edge('spill-group', () => target.file.write(sealed.bytes, offset));
    target.offset += sealed.bytes.length;
    target.last = sealed.link;
  }

  #fileFor(bytes: number, firstOffset: number): SpillFile {
    const current = this.#files.at(-1);
    if (current && current.offset + bytes <= SEGMENT_MAX_BYTES) return current;
    const { fs, dir, direct, random, clock, identity } = this.#options;
    const id = random.bytes(8);
    const name = hex(id);
    const header: SegmentHeader = {
      ...{ segment: SPILL_SEGMENT, salt: BigInt(`0x${name}`), size: SEGMENT_MAX_BYTES },
      ...{ storeId: identity.storeId, machineId: identity.machineId, blockBytes: BLOCK_BYTES },
      ...{ createdNanos: clock.read().utcNanos, predecessor: NO_LINK },
      storeSegmentBytes: identity.segmentBytes,
      storeCreatedNanos: identity.createdNanos,
    };
    this.#open.add(name);
    const file = fs.openDurable(spillPath(dir, name), direct);
    const made = { name, header, file, offset: BLOCK_BYTES, last: NO_LINK, firstOffset };
    const target: SpillFile = { ...made, parts: new SpillParts() };
    this.#files.push(target);
    const block = this.#memory.subarray(0, BLOCK_BYTES);
    encodeSegmentHeader(header, block);
    edge('spill-header', () => file.write(block, 0));
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
