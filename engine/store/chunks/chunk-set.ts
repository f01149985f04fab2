/**
 * All chunks of a store, wherever they are kept: the local directory, which also takes what a
 * farther place cannot take now, and the place the configuration names.
 */
import { HelicorderError } from '../../base/errors.ts';
import type { Lsn } from '../log/format.ts';
import { ChunkReader, chainOf } from './chunk-reader.ts';
import { chunkName, type ChunkRange } from './format.ts';
import type { ChunkPlace } from './place.ts';

/** Chunks that are kept open with their tables: what a reader walks through and comes back to. */
const OPEN_MAX = 8;

export interface StoredChunk extends ChunkRange {
  name: string;
  bytes: number;
  place: ChunkPlace;
}

export class ChunkSet {
  readonly places: readonly ChunkPlace[];
  #known = new Map<string, ChunkPlace>();
  readonly #open = new Map<string, Promise<ChunkReader>>();

  /** @param places the nearest first: it is asked first for what several hold */
  constructor(places: readonly ChunkPlace[]) {
    this.places = places;
  }

  /** Every whole file there is, those included that do not count. @throws UNAVAILABLE */
  async list(): Promise<StoredChunk[]> {
    const found = new Map<string, StoredChunk>();
    for (const place of this.places.toReversed()) {
      for (const { name, bytes } of await place.list()) {
        const [range] = chainOf([name], Infinity);
        if (range) found.set(name, { ...range, name, bytes, place });
      }
    }
    this.#known = new Map([...found].map(([name, { place }]) => [name, place]));
    return [...found.values()].sort((a, b) => a.first - b.first || b.end - a.end);
  }

  /** The chunks that count, in order. */
  async chain(sealedEnd: Lsn): Promise<ChunkRange[]> {
    if (sealedEnd === 0) return [];
    const all = await this.list();
    return chainOf(
      all.map(({ name }) => name),
      sealedEnd,
    );
  }

  /** A chunk of the chain; it stays open for the next one who asks. */
  async open(range: ChunkRange): Promise<ChunkReader> {
    const name = chunkName(range);
    const known = this.#open.get(name);
    this.#open.delete(name);
    const opening = known ?? this.#openNew(name);
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    if (this.#open.size > OPEN_MAX) this.#forget(this.#open.keys().next().value!);
    return opening;
  }

  #openNew(name: string): Promise<ChunkReader> {
    const place = this.#known.get(name);
    if (place) return ChunkReader.open(place, name);
    return Promise.reject(new HelicorderError('DAMAGED', `chunk ${name} is not there`));
  }

  #forget(name: string): void {
    const opening = this.#open.get(name);
    this.#open.delete(name);
    void opening?.then(
      (chunk) => chunk.close(),
      () => undefined,
    );
  }

  close(): void {
    for (const name of [...this.#open.keys()]) this.#forget(name);
  }
}
