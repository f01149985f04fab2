/**
 * What a store must hold, as plainly as it can be said: per stream the list of its records, and
 * how far each copy into it and each cursor on it has come. It knows nothing of logs, groups and
 * chunks, nothing is ever forgotten of it, and a crash does not touch it.
 */

/** One record, or one of those that a gap stands for. The same object wherever it is copied. */
export interface ModelRecord {
  readonly writer: string;
  /** run, writer, epoch, seq and content; not the time, which its owner took from the clock */
  readonly key: string;
  /** the whole of it, once it was seen */
  text?: string;
}

/** How far a copy has come in its target. */
export interface ModelCopy {
  /** which source, in which of its incarnations */
  readonly source: string;
  readonly base: number;
  /** by seq − 1, as they were sent */
  readonly sent: readonly ModelRecord[];
}

export interface ModelStream {
  /** no other stream ever has the same, in whichever store */
  readonly id: number;
  readonly kind: Kind;
  /** what the store calls it, once it was seen */
  incarnation: string | undefined;
  records: readonly ModelRecord[];
  lowWater: number;
  /** writers: of this store, or of others */
  readonly writers: ReadonlyMap<string, 'own' | 'copied'>;
  /** by `copyKey` */
  readonly copies: ReadonlyMap<string, ModelCopy>;
}

export interface ModelCursor {
  /** id of the stream */
  readonly stream: number;
  readonly offset: number;
  /** undefined: somebody has set it by hand */
  readonly copy: (ModelCopy & { readonly to: string; readonly isHalted: boolean }) | undefined;
}

export type Kind = 'events' | 'samples';

export const RETIRED = 'retired';

export const copyKey = ({ source, base }: Pick<ModelCopy, 'source' | 'base'>): string =>
  `${source}/${base}`;

/** A value: whatever changes it gives another one. */
export class ModelStore {
  readonly streams: ReadonlyMap<string, ModelStream>;
  readonly cursors: ReadonlyMap<string, ModelCursor>;

  constructor(
    streams: ModelStore['streams'] = new Map(),
    cursors: ModelStore['cursors'] = new Map(),
  ) {
    this.streams = streams;
    this.cursors = cursors;
  }

  #with(name: string, change: Partial<ModelStream>): ModelStore {
    const stream = { ...this.streams.get(name)!, ...change };
    return new ModelStore(new Map(this.streams).set(name, stream), this.cursors);
  }

  /** Makes the stream if there is none. */
  made(name: string, id: number, kind: Kind): ModelStore {
    if (this.streams.has(name)) return this;
    const none = { incarnation: undefined, records: [], lowWater: 0 };
    return this.#with(name, { id, kind, ...none, writers: new Map(), copies: new Map() });
  }

  opened(name: string, writer: string): ModelStore {
    const { writers } = this.streams.get(name)!;
    return this.#with(name, { writers: new Map(writers).set(writer, 'own') });
  }

  appended(name: string, records: readonly ModelRecord[]): ModelStore {
    return this.#with(name, { records: [...this.streams.get(name)!.records, ...records] });
  }

  /** What a copy has sent in addition to what it had. */
  copied(name: string, copy: ModelCopy, records: readonly ModelRecord[]): ModelStore {
    const { writers, copies, records: before } = this.streams.get(name)!;
    const sent = { ...copy, sent: [...copy.sent, ...records] };
    return this.#with(name, {
      records: [...before, ...records],
      copies: new Map(copies).set(copyKey(copy), sent),
      writers: new Map([...writers, ...records.map(({ writer }) => [writer, 'copied'] as const)]),
    });
  }

  /** One gap per writer, in the order in which they first came. */
  trimmed(name: string, lowWater: number): ModelStore {
    const { records, lowWater: before } = this.streams.get(name)!;
    if (lowWater <= before) return this;
    const gone = records.slice(0, lowWater).map(({ writer }) => writer);
    const retired = [...new Set(gone)].flatMap((writer) =>
      gone.filter((one) => one === writer).map(() => ({ writer, key: `${writer} ${RETIRED}` })),
    );
    return this.#with(name, { records: [...retired, ...records.slice(lowWater)], lowWater });
  }

  removed(name: string): ModelStore {
    const { id } = this.streams.get(name)!;
    const streams = new Map(this.streams);
    streams.delete(name);
    return new ModelStore(streams, new Map([...this.cursors].filter(([, c]) => c.stream !== id)));
  }

  /** @param cursor undefined: there is none any more */
  pointed(name: string, cursor: ModelCursor | undefined): ModelStore {
    const cursors = new Map(this.cursors);
    if (cursor) cursors.set(name, cursor);
    else cursors.delete(name);
    return new ModelStore(this.streams, cursors);
  }
}
