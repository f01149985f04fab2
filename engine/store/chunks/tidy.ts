/**
 * Keeps the files of chunks in order, one change at a time: what does not count is removed, what
 * nobody needs any more is removed or rewritten, neighbours of one size are joined into a larger
 * one, and what had to be kept locally moves to its place.
 */
import { MIB } from '../../base/constants.ts';
import { HelicorderError, isCode } from '../../base/errors.ts';
import type { Lsn } from '../entries/format.ts';
import { chainOf, type ChunkReader } from './chunk-reader.ts';
import type { ChunkSet, StoredChunk } from './chunk-set.ts';
import { commitChecked, type ChunkPlace, type ChunkSink, type ChunkSource } from './place.ts';
import { chunkName } from './format.ts';
import { isCurrent, mayChange } from './owner.ts';
import { checkChunk, fail } from './check.ts';
import { checkIsOurs, headerAt, joinChunks, type LowWaters, type SealContext } from './sealer.ts';

/** Chunks are joined until they have about this size. */
const CHUNK_TARGET_BYTES = 64 * MIB;
/** So many neighbours of one size class become one of the next: each byte is joined few times. */
const JOIN_COUNT = 8;
const COPY_PIECE_BYTES = MIB;

export class Tidy {
  readonly #context: SealContext;
  readonly #chunks: ChunkSet;
  readonly #all: readonly StoredChunk[];
  readonly #chain: readonly StoredChunk[];
  readonly #roomBytes: number;

  private constructor(
    context: SealContext,
    chunks: ChunkSet,
    all: readonly StoredChunk[],
    chain: readonly StoredChunk[],
    roomBytes: number,
  ) {
    this.#context = context;
    this.#chunks = chunks;
    this.#all = all;
    this.#chain = chain;
    this.#roomBytes = roomBytes;
  }

  /** @param roomBytes what may be written before something else is removed */
  static async begin(
    context: SealContext,
    chunks: ChunkSet,
    sealedEnd: Lsn,
    roomBytes: number,
  ): Promise<Tidy> {
    const mine = chunks.places.filter(({ name }) => name === context.place.name);
    for (const place of new Set([chunks.places[0]!, ...mine])) await place.sweep();
    const all = await chunks.list();
    const byName = new Map(all.map((chunk) => [chunk.name, chunk]));
    const chain = chainOf([...byName.keys()], sealedEnd).map((range) =>
      byName.get(chunkName(range))!,
    );
    return new Tidy(context, chunks, all, chain, roomBytes);
  }

  /**
   * Removes what does not count, and chunks of which nothing is needed any more: no space is taken.
   * @returns whether something was done
   */
  async removeDead(): Promise<boolean> {
    let isRemoved = await this.#removeCovered();
    for (const stored of this.#chain) {
      if ((await this.#sharesOf(stored))?.needed !== 0) continue;
      await stored.place.remove(stored.name);
      isRemoved = true;
    }
    return isRemoved;
  }

  /**
   * Writes a chunk again without what of it is removed or retired: the one that takes least space,
   * so that where there is none for it, there is none for any.
   * @param reserveBytes what it may take beyond the room there is
   * @param eagerly it is rewritten for whatever little it gives back
   * @returns whether something was done; more may be left
   */
  async rewriteHalfDead(reserveBytes: number, eagerly: boolean): Promise<boolean> {
    const found: { stored: StoredChunk; needed: number }[] = [];
    for (const stored of this.#chain) {
      const { dead, needed } = (await this.#sharesOf(stored)) ?? { dead: 0, needed: 0 };
      const isWorth = eagerly ? dead > 0 : dead > needed;
      if (isWorth && needed <= this.#roomBytes + reserveBytes) found.push({ stored, needed });
    }
    for (const { stored } of found.sort((a, b) => a.needed - b.needed)) {
      if (await this.#unlessDamaged(stored, (chunk) => this.#rewrite(stored, chunk))) return true;
    }
    return false;
  }

  async #rewrite({ place }: { place: ChunkPlace }, chunk: ChunkReader): Promise<true> {
    await joinChunks({ ...this.#context, place }, [chunk]);
    return true;
  }

  /** @returns undefined for one that is damaged, or away, or a clone's as well */
  #sharesOf(stored: StoredChunk): Promise<Shares | undefined> {
    return this.#unlessDamaged(stored, (chunk) =>
      this.#isOurs(stored, chunk) ? sharesOf(chunk, this.#context.lowWaters) : undefined,
    );
  }

  /** A clone may read what was sealed before there were two of them. */
  #isOurs({ place }: StoredChunk, { header }: ChunkReader): boolean {
    return mayChange(this.#context.owner, header, place.name);
  }

  /** Damage in one chunk does not keep the others from being tidied; it is left as it is. */
  async #unlessDamaged<T>(
    stored: StoredChunk,
    work: (chunk: ChunkReader) => T | Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await this.#chunks.use(stored, work);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Files whose range another one of the chain holds: left by a join that was cut short. */
  async #removeCovered(): Promise<boolean> {
    const end = this.#chain.at(-1)?.end ?? 0;
    const covered = this.#all.filter((chunk) => chunk.end <= end && !this.#chain.includes(chunk));
    let isRemoved = false;
    const broken = await this.#brokenCovers(covered);
    for (const stored of covered) {
      // what cannot be read may be another store's
      if (!(await this.#unlessDamaged(stored, (chunk) => this.#isOurs(stored, chunk)))) continue;
      if (broken.some((cover) => overlaps(cover, stored))) continue;
      await stored.place.remove(stored.name);
      isRemoved = true;
    }
    return isRemoved;
  }

  /** Those that hold the ranges of `covered` as well, and cannot be read as a whole. */
  async #brokenCovers(covered: readonly StoredChunk[]): Promise<StoredChunk[]> {
    const broken: StoredChunk[] = [];
    for (const cover of this.#chain) {
      if (!covered.some((stored) => overlaps(cover, stored))) continue;
      // it may have its name, and never have been checked
      const isWhole = await this.#unlessDamaged(cover, async (chunk) => {
        await checkChunk(chunk, fail, this.#context.pause);
        return true;
      });
      if (!isWhole) broken.push(cover);
    }
    return broken;
  }

  /** Moves a chunk that had to be kept elsewhere to its place. */
  async moveHome(): Promise<boolean> {
    const { place } = this.#context;
    if (place.name !== this.#chunks.places.at(-1)!.name) return false;
    for (const stranded of this.#chain.filter((chunk) => chunk.place.name !== place.name)) {
      if (await this.#move(stranded)) return true;
    }
    return false;
  }

  /** What an earlier id has sealed is written anew: in a place elsewhere it would be a clone's. */
  async #move(stranded: StoredChunk): Promise<boolean> {
    const { owner, place } = this.#context;
    const header = await headerAt(stranded.place, stranded);
    if (header && !mayChange(owner, header, stranded.place.name)) return false;
    await checkIsOurs(this.#context, stranded);
    if (header === undefined || isCurrent(owner, header)) {
      await this.#copy(stranded, await place.put(stranded.name));
    } else {
      const rewrite = (chunk: ChunkReader) => this.#rewrite(this.#context, chunk);
      if (!(await this.#unlessDamaged(stranded, rewrite))) return false;
    }
    await stranded.place.remove(stranded.name);
    return true;
  }

  async #copy(stored: StoredChunk, sink: ChunkSink): Promise<void> {
    const source = await opened(stored.place, stored.name).catch(async (error: unknown) => {
      await sink.abort().catch(() => undefined);
      throw error;
    });
    try {
      while (sink.bytes < source.bytes) {
        await sink.write(await source.read(sink.bytes, COPY_PIECE_BYTES));
        await this.#context.pause();
      }
      await commitChecked(this.#context.place, stored.name, sink, (copy) =>
        this.#compare(source, copy, stored.name),
      );
    } catch (error) {
      await sink.abort().catch(() => undefined);
      throw error;
    } finally {
      source.close();
    }
  }

  /** @throws DAMAGED unless the copy is what it was made from */
  async #compare(source: ChunkSource, copy: ChunkSource, name: string): Promise<void> {
    let isSame = source.bytes === copy.bytes;
    for (let at = 0; isSame && at < source.bytes; at += COPY_PIECE_BYTES) {
      const pieces = [source, copy].map((file) => file.read(at, COPY_PIECE_BYTES));
      const [a, b] = await Promise.all(pieces);
      isSame = Buffer.compare(a!, b!) === 0;
      await this.#context.pause();
    }
    const path = `${this.#context.place.name}/${name}`;
    if (!isSame) throw new HelicorderError('DAMAGED', `${path}: a bad copy`);
  }

  /** Joins neighbours into larger chunks. One that is damaged stays, with those beside it. */
  async joinNeighbours(): Promise<boolean> {
    for (let chain = this.#chain; ;) {
      const run = neighboursToJoin(chain);
      const bytes = run.reduce((sum, chunk) => sum + chunk.bytes, 0);
      if (run.length === 0 || bytes > this.#roomBytes) return false;
      const damaged = await this.#join(run);
      if (damaged === undefined) return true;
      chain = chain.filter((chunk) => chunk !== damaged);
    }
  }

  /** @returns the chunk that cannot be read, or must not be removed, if there is one */
  async #join(run: readonly StoredChunk[]): Promise<StoredChunk | undefined> {
    const readers: ChunkReader[] = [];
    try {
      for (const chunk of run) {
        const reader = await this.#chunks.open(chunk);
        if (reader === undefined) return chunk;
        readers.push(reader);
        if (!this.#isOurs(chunk, reader)) return chunk;
      }
      await joinChunks(this.#context, readers);
    } catch (error) {
      const damaged = run.find((chunk) => isDamage(error) && error.details.file === pathOf(chunk));
      if (damaged) return damaged;
      throw error;
    } finally {
      for (const reader of readers) this.#chunks.release(reader);
    }
    for (const { place, name } of run) await place.remove(name);
    return undefined;
  }
}

function overlaps(a: StoredChunk, b: StoredChunk): boolean {
  return a.first < b.end && b.first < a.end;
}

function pathOf({ place, name }: StoredChunk): string {
  return `${place.name}/${name}`;
}

function isDamage(error: unknown): error is HelicorderError {
  return isCode(error, 'DAMAGED');
}

async function opened(place: ChunkPlace, name: string): Promise<ChunkSource> {
  const source = await place.open(name);
  if (source) return source;
  throw new HelicorderError('DAMAGED', `${place.name}/${name} is not there any more`);
}

/** Bytes of what nobody will read any more, and of the rest. */
interface Shares {
  dead: number;
  needed: number;
}

function sharesOf(chunk: ChunkReader, lowWaters: LowWaters): Shares {
  const shares = { dead: 0, needed: 0 };
  for (const { stream, nextOffset, bytes, directory } of chunk.table) {
    if (directory.length === 0) continue;
    const lowWater = lowWaters.get(stream);
    const isDead = lowWater === undefined || nextOffset <= lowWater;
    shares[isDead ? 'dead' : 'needed'] += bytes;
  }
  return shares;
}

/** The oldest neighbours, without a hole between them, that are worth joining. */
function neighboursToJoin<T extends { first: Lsn; end: Lsn; bytes: number }>(
  chain: readonly T[],
): T[] {
  let run: T[] = [];
  for (const chunk of chain) {
    const last = run.at(-1);
    const joins =
      last !== undefined &&
      last.end === chunk.first &&
      sizeClass(last.bytes) === sizeClass(chunk.bytes) &&
      run.reduce((sum, { bytes }) => sum + bytes, chunk.bytes) <= CHUNK_TARGET_BYTES;
    if (joins) run.push(chunk);
    else run = [chunk];
    if (run.length === JOIN_COUNT) return run;
  }
  return [];
}

function sizeClass(bytes: number): number {
  return Math.floor(Math.log2(Math.max(bytes, 1)) / 3);
}
