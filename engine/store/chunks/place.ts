/**
 * A place where chunks are kept. What a place must be able to do is no more than what a directory
 * on any file system and an object store with whole-object puts have in common:
 *
 *   put      an object appears under its name, whole and durable, or not at all; one of the same
 *            name is replaced as a whole (a directory: write `.name`, fsync, rename, fsync of the
 *            directory; an object store: one put, or a multi-part upload that is completed)
 *   open     bytes of an object from any position; undefined if there is none of the name. What was
 *            opened is read as it was then, or not at all: never a mixture of it and what has
 *            replaced it (a directory: the open file; an object store: reads on condition of a tag)
 *   list     names of whole objects; what is being put is not among them
 *   remove   an object that is not there is no error
 *   sweep    removes what a put that was killed has left; nobody may be putting
 *
 * No locks, no appends, no memory maps, no rename by the caller. Calls are promises, since an
 * object store is far away; who owns the log never waits for one. Every place passes the contract
 * suite in `test/contract/chunk-place.contract.ts`.
 */
import { HelicorderError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';

export interface ChunkSource {
  readonly bytes: number;
  /** @returns fewer bytes than asked only at the end; they belong to the caller */
  read(at: number, length: number): Promise<Uint8Array>;
  close(): void;
}

export interface ChunkSink {
  /** Bytes written so far: where the next ones go. */
  readonly bytes: number;
  write(bytes: Uint8Array): Promise<void>;
  /**
   * What has been written, durable, as it will be under its name; undefined: this place can show it
   * only then. Nothing more is written.
   */
  written(): Promise<ChunkSource | undefined>;
  /** Whole and durable under its name when this resolves. */
  commit(): Promise<void>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
}

export interface ChunkPlace {
  /** for people: a directory, an address */
  readonly name: string;
  /** Names and sizes, sorted by name. @throws UNAVAILABLE if the place cannot be reached */
  list(): Promise<{ name: string; bytes: number }[]>;
  open(name: string): Promise<ChunkSource | undefined>;
  put(name: string): Promise<ChunkSink>;
  remove(name: string): Promise<void>;
  sweep(): Promise<void>;
}

/**
 * Commits what has been read back and found good: what it replaces, under its own name or others,
 * is there as long as that is not known. Where a place shows only what has its name, at once after.
 * @param check reads all of it; throws if it is not what was written
 */
export async function commitChecked(
  place: ChunkPlace,
  name: string,
  sink: ChunkSink,
  check: (source: ChunkSource) => Promise<void>,
): Promise<void> {
  const before = await sink.written();
  if (before) await edge('chunk-read-back', () => checked(before, check));
  await sink.commit();
  if (before) return;
  const after = await place.open(name);
  if (after === undefined) {
    throw new HelicorderError('DAMAGED', `${place.name}/${name} is not there any more`);
  }
  await edge('chunk-read-back', () => checked(after, check));
}

async function checked(
  source: ChunkSource,
  check: (source: ChunkSource) => Promise<void>,
): Promise<void> {
  try {
    await check(source);
  } finally {
    source.close();
  }
}
