/**
 * All chunks of a store, wherever they are kept: the local directory, which also takes what a
 * farther place cannot take now, and the place the configuration names.
 */
import type { HelicorderError } from '../../base/errors.ts';
import { isCode } from '../../base/errors.ts';
import type { Lsn } from '../entries/format.ts';
import { ChunkReader, chainOf } from './chunk-reader.ts';
import { chunkName, type ChunkRange } from './format.ts';
import type { ChunkOwner } from './owner.ts';
import type { ChunkPlace } from './place.ts';

/** Chunks that are kept open with their tables: what a reader walks through and comes back to. */
const OPEN_MAX = 8;

export interface StoredChunk extends ChunkRange {
  name: string;
  bytes: number;
  place: ChunkPlace;
}

/** A chunk that is open, and how many are reading it. */
interface OpenChunk {
  opening: Promise<ChunkReader | undefined>;
  users: number;
}

export class ChunkSet {
  readonly #places: () => readonly ChunkPlace[];
  readonly #owner: () => ChunkOwner | undefined;
  /** why a place could not be asked when the chunks were last listed: there may be more of them */
  away: HelicorderError | undefined;
  #known = new Map<string, ChunkPlace>();
  readonly #open = new Map<string, OpenChunk>();

  /** @param places the nearest first: it is asked first for what several hold */
  constructor(places: () => readonly ChunkPlace[], owner: () => ChunkOwner | undefined) {
    this.#places = places;
    this.#owner = owner;
  }

  get places(): readonly ChunkPlace[] {
    return this.#places();
  }

  /** Every whole file within reach, those included that do not count; see `away`. */
  async list(): Promise<StoredChunk[]> {
    const found = new Map<string, StoredChunk>();
    this.away = undefined;
    for (const place of this.places.toReversed()) {
      for (const { name, bytes } of await this.#listOf(place)) {
        const [range] = chainOf([name], Infinity);
        if (range) found.set(name, { ...range, name, bytes, place });
      }
    }
    this.#known = new Map([...found].map(([name, { place }]) => [name, place]));
    return [...found.values()].sort((a, b) => a.first - b.first || b.end - a.end);
  }

  async #listOf(place: ChunkPlace): Promise<{ name: string; bytes: number }[]> {
    try {
      return await place.list();
    } catch (error) {
      if (!isCode(error, 'UNAVAILABLE')) throw error;
      this.away = error;
      return [];
    }
  }

  /** The chunks that count and are within reach, in order. */
  async chain(sealedEnd: Lsn): Promise<ChunkRange[]> {
    if (sealedEnd === 0) return [];
    const all = await this.list();
    return chainOf(
      all.map(({ name }) => name),
      sealedEnd,
    );
  }

  /**
   * A chunk of the chain; to be given back with `release`, and open for the next one who asks.
   * @returns undefined if it has gone since the chain was listed: list it again
   */
  async open(range: ChunkRange): Promise<ChunkReader | undefined> {
    const name = chunkName(range);
    const entry = this.#open.get(name) ?? { opening: this.#openNew(name), users: 0 };
    this.#open.delete(name);
    this.#open.set(name, entry);
    entry.users++;
    this.#evict();
    const chunk = await entry.opening.catch((error: unknown) => {
      this.#drop(name, entry);
      throw error;
    });
    if (chunk === undefined) this.#drop(name, entry);
    return chunk;
  }

  /** Whoever has opened a chunk lets go of it once. */
  release({ range }: ChunkReader): void {
    const entry = this.#open.get(chunkName(range));
    if (entry) entry.users--;
    this.#evict();
  }

  /** Does something with a chunk, and lets go of it. @returns undefined if it has gone */
  async use<T>(
    range: ChunkRange,
    work: (chunk: ChunkReader) => T | Promise<T>,
  ): Promise<T | undefined> {
    const chunk = await this.open(range);
    if (chunk === undefined) return undefined;
    try {
      return await work(chunk);
    } finally {
      this.release(chunk);
    }
  }

  async #openNew(name: string): Promise<ChunkReader | undefined> {
    const place = this.#known.get(name);
    return place && ChunkReader.open(place, name, this.#owner());
  }

  #drop(name: string, entry: OpenChunk): void {
    if (this.#open.get(name) === entry) this.#open.delete(name);
  }

  /** Those that nobody reads, the longest unused first. */
  #evict(): void {
    for (const [name, { users }] of this.#open) {
      if (this.#open.size <= OPEN_MAX) return;
      if (users === 0) this.#forget(name);
    }
  }

  #forget(name: string): void {
    const entry = this.#open.get(name);
    this.#open.delete(name);
    void entry?.opening.then(
      (chunk) => chunk?.close(),
      () => undefined,
    );
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#forget(name);
  }
}
