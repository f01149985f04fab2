/**
 * A disk, the page cache before it, and the names on it, as a power cut may leave them.
 *
 *   File: seen     what every process sees: the page cache
 *         durable  what the device holds
 *         pending  ranges of `seen` that are not known to be durable
 *   Directory: the same for names: `seen`, `durable`, and the changes in between, in order
 *
 * What makes data durable is the file system's business (`simulated-file-system.ts`); here is what
 * happens to it. A process that dies loses nothing of this. A power cut keeps, of each pending
 * range, all, nothing, a beginning, or any choice of 512-byte sectors, sometimes with one sector
 * shredded; of the pending changes of a directory a beginning, or any choice; and then everybody
 * sees what is durable.
 */
import { MIB } from '../../engine/base/constants.ts';
import type { SeededRandom } from './random.ts';

export const SECTOR_BYTES = 512;
/** Of a file that is a database: older states that are kept, for a power cut. */
const STATES_MAX = 8;

interface Range {
  from: number;
  to: number;
}

export class Content {
  readonly inode: number;
  readonly waiters = new Set<() => void>();
  /** memory-mapped and written to since anybody synced it */
  isMapped = false;
  pending: Range[] = [];
  size = 0;
  durableSize = 0;
  /** a failed sync has left pages that the device does not hold */
  #isStale = false;
  /** of a database: states that it had since somebody synced it */
  #before: Uint8Array[] = [];
  #seen = new Uint8Array(0);
  #durable = new Uint8Array(0);

  constructor(inode: number) {
    this.inode = inode;
  }

  get seen(): Uint8Array {
    return this.#seen.subarray(0, this.size);
  }

  get durable(): Uint8Array {
    return this.#durable.subarray(0, this.durableSize);
  }

  get isDirty(): boolean {
    const isWritten = this.pending.length > 0 || this.isMapped || this.#before.length > 0;
    return isWritten || this.size !== this.durableSize;
  }

  write(bytes: Uint8Array, position: number): void {
    this.#resize(Math.max(this.size, position + bytes.length));
    this.#seen.set(bytes, position);
    const last = this.pending.at(-1);
    const to = position + bytes.length;
    if (last?.to === position) last.to = to;
    else this.pending.push({ from: position, to });
  }

  /** A new state of a database: its journal sees to it that there is always one, and whole. */
  replace(state: Uint8Array): void {
    this.#before = [...this.#before, this.seen.slice()].slice(-STATES_MAX);
    this.#resize(state.length);
    this.#seen.set(state);
  }

  truncate(size: number): void {
    // what is cut off must not come back if the file grows again
    if (size < this.size) this.pending.push({ from: size, to: this.size });
    this.#resize(size);
  }

  /** What is seen of `range` is on the device from now on. */
  settle(range: Range): void {
    const { from, to } = this.#inFile(range);
    if (from >= to) return;
    this.#growDurable(to);
    this.#durable.set(this.#seen.subarray(from, to), from);
  }

  /** One synchronous write: its own bytes, and the size they need. Others may wait. */
  settleWrite(from: number, to: number): void {
    this.settle({ from, to });
    this.pending = this.pending.flatMap((range) => without(range, { from, to }));
  }

  settleAll(): void {
    for (const range of this.pending) this.settle(range);
    if (this.isMapped || this.#before.length > 0) this.settle({ from: 0, to: this.size });
    this.pending = [];
    this.#before = [];
    this.isMapped = false;
    this.#setDurableSize(this.size);
  }

  /**
   * A sync failed (fsyncgate): the kernel holds the pages for clean, and the next sync will say
   * that all is well. @param isEvicted the pages go at once; else they stay to be seen, until then
   */
  dropDirty(isEvicted: boolean): void {
    this.pending = [];
    this.isMapped = false;
    this.#isStale = true;
    if (isEvicted) this.reload();
  }

  /** Pages that wait to be written stay. Without a failed sync, what is seen is what is there. */
  dropCache(): void {
    if (this.#isStale && this.pending.length === 0 && !this.isMapped) this.reload();
  }

  /** Everybody sees what the device holds. */
  reload(): void {
    this.size = this.durableSize;
    this.#seen = this.#durable.slice(0, this.size);
    this.pending = [];
    this.isMapped = false;
    this.#isStale = false;
  }

  flip(position: number, bit: number): void {
    for (const image of [this.seen, this.durable]) {
      if (position < image.length) image[position]! ^= 1 << bit;
    }
  }

  cut(random: SeededRandom, stats: DiskStats): void {
    if (this.#before.length > 0) return this.#cutBack(random, stats);
    const isGrown = random.next() < 0.5;
    for (const range of this.pending) {
      const { from, to } = this.#inFile(range);
      if (from < to) this.#cutRange({ from, to }, random, stats);
    }
    if (this.isMapped && random.next() < 0.5) this.settle({ from: 0, to: this.size });
    if (isGrown && this.size > this.durableSize) this.#setDurableSize(this.size);
    this.reload();
  }

  /** A database is what it was last, or before that; or nothing of it is left. */
  #cutBack(random: SeededRandom, stats: DiskStats): void {
    const choice = random.below(4);
    if (choice > 0) {
      const older = this.#before[random.below(this.#before.length)]!;
      stats.revertedStates++;
      this.replace(choice === 1 ? new Uint8Array(0) : older);
    }
    this.settleAll();
  }

  #cutRange(range: Range, random: SeededRandom, stats: DiskStats): void {
    const choice = random.below(4);
    if (choice === 0) return void stats.lostWrites++;
    if (choice === 1) return this.settle(range);
    stats.tornWrites++;
    const sectors = Math.ceil((range.to - range.from) / SECTOR_BYTES);
    const kept = random.below(sectors + 1);
    const density = random.next();
    for (let i = 0; i < sectors; i++) {
      if (choice === 2 ? i >= kept : random.next() > density) continue;
      const from = range.from + i * SECTOR_BYTES;
      this.settle({ from, to: Math.min(from + SECTOR_BYTES, range.to) });
    }
    if (choice === 3 && random.next() < 0.3) this.#shred(range, random);
  }

  /** The sector that was being written when the power went holds neither old nor new. */
  #shred({ from, to }: Range, random: SeededRandom): void {
    const at = from + SECTOR_BYTES * random.below(Math.ceil((to - from) / SECTOR_BYTES));
    const end = Math.min(at + SECTOR_BYTES, to);
    this.#growDurable(end);
    this.#durable.set(random.bytes(end - at), at);
  }

  #inFile({ from, to }: Range): Range {
    return { from, to: Math.min(to, this.size) };
  }

  #resize(size: number): void {
    this.#seen = grown(this.#seen, this.size, size);
    if (size < this.size) this.#seen.fill(0, size, this.size);
    this.size = size;
  }

  #growDurable(size: number): void {
    if (size > this.durableSize) this.#setDurableSize(size);
  }

  #setDurableSize(size: number): void {
    this.#durable = grown(this.#durable, this.durableSize, size);
    if (size < this.durableSize) this.#durable.fill(0, size, this.durableSize);
    this.durableSize = size;
  }
}

/** The same bytes in memory for `size`, and for more: large files grow by many small writes. */
function grown(
  memory: Uint8Array<ArrayBuffer>,
  used: number,
  size: number,
): Uint8Array<ArrayBuffer> {
  if (size <= memory.length) return memory;
  const room = Math.min(2 * memory.length, size + Math.max(MIB, size / 2));
  const larger = new Uint8Array(Math.max(size, Math.floor(room)));
  larger.set(memory.subarray(0, used));
  return larger;
}

function without(range: Range, gone: Range): Range[] {
  const left = { from: range.from, to: Math.min(range.to, gone.from) };
  const right = { from: Math.max(range.from, gone.to), to: range.to };
  return [left, right].filter(({ from, to }) => from < to);
}

/** A name given or taken away; a rename is both, and happens as a whole or not at all. */
interface NameChange {
  set?: { name: string; content: Content };
  unset?: string;
}

export class Directory {
  readonly seen = new Map<string, Content>();
  #durable = new Map<string, Content>();
  #pending: NameChange[] = [];

  change(change: NameChange): void {
    apply(this.seen, change);
    this.#pending.push(change);
  }

  settle(): void {
    for (const change of this.#pending) apply(this.#durable, change);
    this.#pending = [];
  }

  /** Of all names, those that a power cut may bring back among them. */
  contents(): Content[] {
    return [...this.seen.values(), ...this.#durable.values()];
  }

  cut(random: SeededRandom, isOrdered: boolean, stats: DiskStats): void {
    const kept = random.below(this.#pending.length + 1);
    this.#pending.forEach((change, i) => {
      if (isOrdered ? i < kept : random.next() < 0.5) apply(this.#durable, change);
      else stats.lostNames++;
    });
    this.#pending = [];
    this.seen.clear();
    for (const [name, content] of this.#durable) this.seen.set(name, content);
  }
}

function apply(names: Map<string, Content>, { set, unset }: NameChange): void {
  if (unset !== undefined) names.delete(unset);
  if (set) names.set(set.name, set.content);
}

/** What the faults came to, over the disk's life. */
export interface DiskStats {
  powerCuts: number;
  lostWrites: number;
  tornWrites: number;
  lostNames: number;
  /** of databases */
  revertedStates: number;
  flips: number;
  ioErrors: number;
  fullWrites: number;
}

export class SimulatedDisk {
  readonly stats: DiskStats = {
    ...{ powerCuts: 0, lostWrites: 0, tornWrites: 0, lostNames: 0 },
    revertedStates: 0,
    ...{ flips: 0, ioErrors: 0, fullWrites: 0 },
  };
  readonly #directories = new Map<string, Directory>([['', new Directory()]]);
  readonly locks = new Map<Content, number>();
  /** those that are open */
  readonly databases = new Set<{ readonly content: Content }>();
  capacity = Infinity;
  /**
   * The most that a process is told of as free: by default too little for a ballast, which would
   * make every store 4 MiB larger.
   */
  shownFreeBytes = MIB;
  #nextInode = 1;

  directory(path: string): Directory | undefined {
    return this.#directories.get(path);
  }

  /** Directories are few and made once: they are durable at once. */
  makeDirectory(path: string): void {
    if (!this.#directories.has(path)) this.#directories.set(path, new Directory());
  }

  directories(): string[] {
    return [...this.#directories.keys()];
  }

  find(path: string): Content | undefined {
    const [dir, name] = split(path);
    return this.#directories.get(dir)?.seen.get(name);
  }

  newContent(): Content {
    return new Content(this.#nextInode++);
  }

  /** Bytes that files take; those without a name count as gone. */
  get used(): number {
    return this.usedUnder('');
  }

  usedUnder(dir: string): number {
    let bytes = 0;
    for (const [path, { seen }] of this.#directories) {
      if (path !== dir && !path.startsWith(`${dir}/`)) continue;
      for (const { size } of seen.values()) bytes += Math.ceil(size / 4096) * 4096;
    }
    return bytes;
  }

  /** Another disk with the same content, all of it durable; locks are not copied. */
  clone(): SimulatedDisk {
    const copy = new SimulatedDisk();
    for (const [path, { seen }] of this.#directories) {
      copy.makeDirectory(path);
      for (const [name, { seen: bytes }] of seen) {
        const content = copy.newContent();
        content.write(bytes, 0);
        copy.directory(path)!.change({ set: { name, content } });
      }
    }
    copy.settleAll();
    return copy;
  }

  /** What the kernel writes back by itself, given time. */
  settleAll(): void {
    for (const content of this.#contents()) content.settleAll();
    for (const directory of this.#directories.values()) directory.settle();
  }

  powerCut(random: SeededRandom, namesAreOrdered: boolean): void {
    this.stats.powerCuts++;
    for (const content of this.#contents()) content.cut(random, this.stats);
    for (const directory of this.#directories.values()) {
      directory.cut(random, namesAreOrdered, this.stats);
    }
    this.locks.clear();
  }

  #contents(): Content[] {
    const all = [...this.#directories.values()].flatMap((directory) => directory.contents());
    return [...new Set(all)].filter((content) => content.isDirty);
  }
}

/** Directory and name. */
export function split(path: string): [dir: string, name: string] {
  const slash = path.lastIndexOf('/');
  return [path.slice(0, slash), path.slice(slash + 1)];
}
