/**
 * Files: the one way by which the engine reaches a disk.
 *
 * Everything that touches storage goes through the `FileSystem` given at construction. The engine
 * runs on `nodeFileSystem`; the simulator gives its own, which loses, tears and reorders writes the
 * way a power cut does, and the same log, recovery and reader run on it. Both pass the contract
 * suite in `test/contract/file-system.contract.ts`, so what a store relies on is written there.
 *
 * Three kinds of access, because there are three kinds of promise:
 *
 *   File           buffered; durable after `sync()`. Reading, and what is written once. What is
 *                  read in order may be read ahead, past the page cache (`readAhead`).
 *   DurableFile    each write is durable when it returns: the log. O_DIRECT|O_DSYNC where the file
 *                  system has it (no page cache to lose, one trip to the device), else a buffered
 *                  write and fdatasync. Which of the two a store uses is found out by
 *                  `probeDirect`, once, in the directory itself.
 *   MarkFile       one shared page by which other processes learn of progress without asking.
 *
 * A name is durable only when its directory is: `writeFileDurably` and `makeDirectory` see to it,
 * `rename`, `remove` and the creation of a file leave it to the caller's `syncDirectory`, because
 * a caller often does several of them and needs one sync.
 *
 * Everything is synchronous. The writer's thread has nothing else to do while its disk works, and
 * an order of writes that is the order of statements can be reasoned about; only the wait on a mark
 * is a promise, since readers share their thread with the rest of a program.
 *
 * Errors of system calls pass through unchanged (`code`, `errno`, `syscall`): the caller knows what
 * it was doing and words them with `ioError`. Files, locks and marks belong to the thread that
 * opened them and are to be closed by it; the kernel does so when the process ends, in any way.
 */
export interface File {
  readonly path: string;
  /** bytes */
  size(): number;
  /** Fills `into` from `position` on. @returns bytes read, fewer than asked only at the end */
  read(into: Uint8Array, position: number): number;
  /**
   * A hint: [position, end) will be read next, in order. Of what is written there meanwhile any
   * part may be seen or not, whatever else of the file was seen. `position` is a multiple of 4096.
   */
  readAhead(position: number, end: number): void;
  /** Writes all of `bytes`; durable after the next `sync()`. */
  write(bytes: Uint8Array, position: number): void;
  /** fdatasync: contents and size. A failed one is never to be tried again (see durability). */
  sync(): void;
  /**
   * From now on reads what the disk holds: after a failed sync, of any process, the page cache may
   * hold what never reached the disk, and every later sync says that all is well. `sync` first.
   */
  dropCache(): void;
  truncate(size: number): void;
  close(): void;
}

/** Work for the time in which a device writes; it ends soon after `isWriting` says no. */
export type Meanwhile = (isWriting: () => boolean) => void;

export interface DurableFile {
  readonly path: string;
  readonly direct: boolean;
  /**
   * Durable on return. If `direct`, position, length and the address of `block` are multiples of
   * 4096: take the memory from `alignedBuffer`.
   * @param meanwhile called at most once, while the device writes; it leaves `block` and this file
   *   alone
   */
  write(block: Uint8Array, position: number, meanwhile?: Meanwhile): void;
  close(): void;
}

/** A lock on a file, held until released or until the process ends. */
export interface Lock {
  /** What is released already stays so, whoever holds it by now. */
  release(): void;
}

export interface MarkValues {
  durableLsn: number;
  state: number;
  /** to be given to `wait` */
  word: number;
}

export interface MarkFile {
  readonly inode: number;
  /** Owner only: everything before `durableLsn` is durable from now on; wakes all who wait. */
  publish(durableLsn: number, generation: number): void;
  /** Owner only; wakes all who wait, if that is another state than before. */
  setState(state: number): void;
  /** What the owner published last; undefined while that is seen by half, or nothing was yet. */
  read(): MarkValues | undefined;
  /** Resolves once the word is no longer `word`, after `timeoutMs` (≤ 1000), or on `close()`. */
  wait(word: number, timeoutMs: number): Promise<void>;
  close(): void;
}

export interface FileSystemFacts {
  /** what an unprivileged user may still write */
  freeBytes: number;
  /** `ext4`, `xfs`, `btrfs`, `tmpfs`, `nfs` … or the magic number in hexadecimal */
  type: string;
  /** why a store should better lie elsewhere */
  warning?: string;
}

export interface FileSystem {
  readFile(path: string): Uint8Array;
  /** UTF-8 */
  readText(path: string): string;
  /** Replaces the file as a whole: whoever reads it sees the old content or the new. */
  writeFileDurably(path: string, bytes: Uint8Array): void;
  exists(path: string): boolean;
  isDirectory(path: string): boolean;
  /** Names in a directory, sorted; none if there is no such directory. */
  list(dir: string): string[];
  /** Makes a directory and those above it, durably. */
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  syncDirectory(dir: string): void;
  /** `write` reads too, but only what exists; `create` makes the file, or empties it. */
  open(path: string, mode: 'read' | 'write' | 'create'): File;
  /** Opens for durable writing, making the file if needed (the caller syncs its directory). */
  openDurable(path: string, direct: boolean): DurableFile;
  /** Can files in `dir` be written past the page cache? Tried with a block in a temporary file. */
  probeDirect(dir: string): boolean;
  /** Zeroed memory at an address that is a multiple of 4096. */
  alignedBuffer(bytes: number): Uint8Array;
  /** Locks `path`, making it if needed; never waits. @returns undefined if somebody holds it */
  lock(path: string, exclusive: boolean): Lock | undefined;
  /** About the file system that holds `path`. */
  info(path: string): FileSystemFacts;
  /** Bytes of a file; undefined if there is none. */
  fileSize(path: string): number | undefined;
  /** Identity of a file within its file system. */
  inode(path: string): number;
  /** Bytes of disk taken by everything under `dir` that may be looked at, holes not counted. */
  diskUse(dir: string): number;
  /** Maps a mark; `generation` is the one its header names, without which no pair checks. */
  openMark(path: string, generation: number, writable: boolean): MarkFile;
}
