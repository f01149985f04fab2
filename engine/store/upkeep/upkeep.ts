/**
 * The store's upkeep: sealing, retention, tidying. One step at a time, off the owner's thread:
 *
 *   step ─▶ finished segments?     seal them into a chunk        → owner: sealed entry, recycling
 *        ─▶ too old, too much?     sum up what goes              → owner: trim entries
 *        ─▶ files that can go?     remove, join, rewrite, move   → nothing to be said
 *        ─▶ nothing
 *
 * A step reads the store like any reader does, but for the records of the newest segment, which are
 * none of its business, and writes only chunks, and of the catalog its file from its log. What it
 * has found is carried out by the owner (`changes.ts`), and only then true: a step that is killed,
 * or whose answer is lost, is made again from what is there. Steps never run side by side.
 *
 * Where segments are finished as fast as they are sealed, the rest would never come to its turn:
 * right after a sealing it goes first.
 *
 * Space: over the budget, old data of streams that allow it goes before anything is joined; one
 * segment's worth below it is kept free, so that recording does not wait for what is being dropped.
 * On a full disk what finds no space is skipped, and what frees some comes to its turn; the failure
 * is the step's only if nothing else could be done.
 */
import type { RetentionRule } from '../../base/retention.ts';
import { defined } from '../../base/assert.ts';
import { MIB } from '../../base/constants.ts';
import { HelicorderError, codeOf, isCode } from '../../base/errors.ts';
import { NO_NANOS, type ChunkRange } from '../chunks/format.ts';
import { settleCatalog } from '../state/catalog.ts';
import { DirectoryPlace } from '../chunks/directory-place.ts';
import { skipDamaged, type ChunkReader } from '../chunks/chunk-reader.ts';
import type { ChunkPlace } from '../chunks/place.ts';
import { sealSegments, type SealContext } from '../chunks/sealer.ts';
import { Tidy } from '../chunks/tidy.ts';
import type { TrimEntry } from '../entries/control-entries.ts';
import { readStoreJson } from '../log/files.ts';
import { makeLsn, segmentOf, type Lsn, type StoreIdentity } from '../entries/format.ts';
import type { LogFault } from '../log/log.ts';
import { SPARE_NAME, listSegments } from '../log/segment.ts';
import { keepCopies } from './quarantine.ts';
import { StoreReader, type StoreReaderOptions } from '../read/reader.ts';
import { planRetention, type HeldPart, type RetentionPlan } from './retain.ts';
import { planTrim } from './trim.ts';

export interface UpkeepRules {
  /** undefined: whatever the disk has */
  budgetBytes: number | undefined;
  /** what is to stay free on the disk */
  minFreeBytes: number;
  retention: readonly RetentionRule[];
}

export interface UpkeepOptions extends Partial<UpkeepRules> {
  dataDir: string;
  /** what the step before this one did; undefined: there was none, or it was long ago */
  after?: UpkeepResult['did'] | undefined;
}

const KEEP_EVERYTHING: UpkeepRules = { budgetBytes: undefined, minFreeBytes: 0, retention: [] };

export type UpkeepResult = {
  isFull: boolean;
  /** what may still be let go of in the store's directory; undefined: it was not looked for */
  droppableBytes?: number;
  /** a place for chunks that cannot be reached: why */
  away?: string | undefined;
} & (
  | { did: 'sealed'; end: Lsn }
  | { did: 'planned'; trims: TrimEntry[] }
  | { did: 'tidied' | 'nothing' }
);

interface FoundPart extends HeldPart {
  firstOffset: number;
}

/** Log that one chunk is made of, at most; a single segment may be larger. */
const SEAL_LOG_BYTES = 64 * MIB;

/**
 * @param options without rules: what the store was told last
 * @param pause lets others have the processor; called often
 */
export async function upkeepStep(
  options: UpkeepOptions,
  environment: StoreReaderOptions,
  pause: () => Promise<void>,
): Promise<UpkeepResult> {
  const reader = StoreReader.open(options.dataDir, { ...environment, isControlOnly: true });
  try {
    // what the state does not know would count as removed
    if (reader.state.isPartial) return { did: 'nothing', isFull: false };
    return await new Step(options, environment, reader, pause).run();
  } finally {
    reader.close();
  }
}

class Step {
  readonly #rules: UpkeepRules;
  readonly #environment: StoreReaderOptions;
  readonly #reader: StoreReader;
  readonly #pause: () => Promise<void>;
  readonly #identity: StoreIdentity;
  readonly #hasJustSealed: boolean;
  /** what has found no space; undefined: nothing */
  #noSpace: Error | undefined;

  constructor(
    options: UpkeepOptions,
    environment: StoreReaderOptions,
    reader: StoreReader,
    pause: () => Promise<void>,
  ) {
    this.#rules = options.retention ? { ...KEEP_EVERYTHING, ...options } : rulesOf(reader);
    this.#environment = environment;
    this.#reader = reader;
    this.#pause = pause;
    this.#identity = identityOf(reader);
    this.#hasJustSealed = options.after === 'sealed';
  }

  async run(): Promise<UpkeepResult> {
    settleCatalog(this.#environment.fs, this.#reader.paths.catalog);
    const context = this.#context(await this.#reachablePlace());
    const isDiskFull = this.#isDiskFull();
    // there it is a matter of every byte, and of every moment
    if (isDiskFull && (await (await this.#tidy(context)).removeDead()))
      return { did: 'tidied', isFull: false };
    const early = this.#hasJustSealed ? await this.#letGo(context, isDiskFull) : undefined;
    if (early !== undefined && early.did !== 'nothing') return early;
    const end = await this.#sealWhatFits(context, isDiskFull ? 1 : Infinity);
    if (end !== undefined) return { did: 'sealed', end, isFull: false };
    const isDone = early !== undefined && this.#noSpace === undefined;
    const result = isDone ? early : await this.#letGo(context, isDiskFull);
    if (result.did === 'nothing' && this.#noSpace !== undefined) throw this.#noSpace;
    return result;
  }

  /** Everything but sealing. */
  async #letGo(context: SealContext, isDiskFull: boolean): Promise<UpkeepResult> {
    const { chunks, paths } = this.#reader;
    const { segmentBytes } = this.#identity;
    const tidy = await this.#tidy(context);
    // what is gone already is let go of before more goes
    if (!isDiskFull && (await tidy.removeDead())) return { did: 'tidied', isFull: false };
    const isSealingShort = this.#noSpace !== undefined && context.place.name === paths.chunks;
    const over = this.#overBytes();
    // to go on with a full disk: the log grows by one segment, and a chunk is made beside it
    const toFree = Math.max(over, isDiskFull || isSealingShort ? 2 * segmentBytes : 0);
    const rewrite = () => tidy.rewriteHalfDead(segmentBytes, toFree > 0);
    if (await this.#unlessFull(rewrite)) return { did: 'tidied', isFull: false };
    // it leaves the store's own directory, and so what the budget is about
    if (await this.#unlessFull(() => tidy.moveHome())) return { did: 'tidied', isFull: false };
    const plan = await this.#plan(toFree);
    const isFull = over > 0 && plan.leftOverBytes > 0;
    const trims = await this.#trimsOf(plan);
    const away = chunks.away?.message;
    const found = { isFull, droppableBytes: plan.droppableBytes, away };
    if (trims.length > 0) return { did: 'planned', trims, ...found };
    const isJoined = await this.#unlessFull(() => tidy.joinNeighbours());
    return { did: isJoined ? 'tidied' : 'nothing', ...found };
  }

  #tidy(context: SealContext): Promise<Tidy> {
    const { chunks, state } = this.#reader;
    return Tidy.begin(context, chunks, state.sealedEnd, this.#roomBytes());
  }

  /** What needs space is skipped where there is none. @returns whether it was done */
  async #unlessFull(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== 'NO_SPACE') throw error;
      this.#noSpace ??= error as Error;
      return false;
    }
  }

  async #plan(overBytes: number): Promise<RetentionPlan> {
    return planRetention({
      nowNanos: this.#environment.clock.read().utcNanos,
      overBytes,
      rules: this.#rules.retention,
      streams: this.#streams(),
      holds: this.#holds(),
      parts: await this.#parts(),
    });
  }

  /** @returns up to where; undefined: there is nothing to seal, or not even room for one segment */
  async #sealWhatFits(context: SealContext, most: number): Promise<Lsn | undefined> {
    const range = this.#toSeal(most);
    if (range === undefined) return undefined;
    if (await this.#unlessFull(() => this.#seal(context, range))) return range.end;
    const first = this.#toSeal(1)!;
    const isLess = first.end < range.end;
    return isLess && (await this.#unlessFull(() => this.#seal(context, first)))
      ? first.end
      : undefined;
  }

  /** What cannot be read goes with its segment: copies of it are kept. */
  async #seal(context: SealContext, range: ChunkRange): Promise<true> {
    const damaged: LogFault[] = [];
    await sealSegments({ ...context, onDamage: (fault) => damaged.push(fault) }, range);
    const found = damaged.map(({ file, offset, length, what }) => {
      return { file, what, offset: String(offset), length: String(length) };
    });
    if (found.length > 0) keepCopies(this.#environment, this.#reader.paths.dir, found);
    return true;
  }

  /**
   * The finished segments that no chunk holds yet, as many as one chunk is made of, and as there is
   * room for beside them, while the log grows by one. One at a time goes always: beyond the budget
   * there is a reserve of two.
   * @param most segments
   */
  #toSeal(most: number): ChunkRange | undefined {
    const { fs, paths, state, end } = this.#reader;
    const newest = segmentOf(end);
    const open = listSegments(fs, paths.log).filter(
      (segment) => segment < newest && makeLsn(segment, 0) >= state.sealedEnd,
    );
    const [first] = open;
    if (first === undefined) return undefined;
    const { segmentBytes } = this.#identity;
    const room = Math.floor(this.#roomBytes() / segmentBytes) - 1;
    const count = Math.max(1, Math.min(Math.floor(SEAL_LOG_BYTES / segmentBytes), room, most));
    const last = Math.min(first + count - 1, open.at(-1)!);
    const from = state.sealedEnd > 0 ? state.sealedEnd : makeLsn(first, 0);
    return { first: from, end: makeLsn(last + 1, 0) };
  }

  #context(place: ChunkPlace): SealContext {
    const { fs, paths, state } = this.#reader;
    return {
      ...{ fs, logDir: paths.log, spillDir: paths.spills, place },
      owner: defined(this.#reader.owner, 'the id of the store'),
      createdNanos: this.#environment.clock.read().utcNanos,
      lowWaters: new Map([...state.streams.keys()].map((id) => [id, state.lowWaterOf(id)])),
      ...{ state, pause: this.#pause },
    };
  }

  /** Where chunks are to go, or the store's own directory while that is away. */
  async #reachablePlace(): Promise<ChunkPlace> {
    const { fs, paths, chunks } = this.#reader;
    for (const place of chunks.places.toReversed()) {
      if (place.name === paths.chunks) continue;
      try {
        await place.list();
        return place;
      } catch (error) {
        if (!isCode(error, 'UNAVAILABLE')) throw error;
      }
    }
    return new DirectoryPlace(fs, paths.chunks);
  }

  /** How much the store holds too much, counting one segment that is to stay free. */
  #overBytes(): number {
    const { budgetBytes, minFreeBytes } = this.#rules;
    const { fs, paths } = this.#reader;
    const overBudget =
      budgetBytes === undefined
        ? -Infinity
        : fs.diskUse(paths.dir) + this.#identity.segmentBytes - budgetBytes;
    return Math.max(overBudget, minFreeBytes - fs.info(paths.dir).freeBytes, 0);
  }

  /** Is there less than the log's next segment takes, beside what has been written of it ahead? */
  #isDiskFull(): boolean {
    const { fs, paths } = this.#reader;
    const ahead = fs.list(paths.log).filter((name) => SPARE_NAME.test(name));
    const sizes = ahead.map((name) => fs.fileSize(`${paths.log}/${name}`) ?? 0);
    const { freeBytes } = fs.info(paths.dir);
    return freeBytes + Math.max(0, ...sizes) < this.#identity.segmentBytes;
  }

  /** What may be written at once without going over the budget. */
  #roomBytes(): number {
    const { budgetBytes } = this.#rules;
    if (budgetBytes === undefined) return Infinity;
    return budgetBytes - this.#reader.fs.diskUse(this.#reader.paths.dir);
  }

  #streams(): Map<number, { name: string; lowWater: number }> {
    const { state } = this.#reader;
    return new Map(
      [...state.streams.values()].map(({ id, name }) => [
        id,
        { name, lowWater: state.lowWaterOf(id) },
      ]),
    );
  }

  /** From where on each stream with cursors has not been read by all of their consumers. */
  #holds(): Map<number, number> {
    const holds = new Map<number, number>();
    for (const { stream, offset } of this.#reader.state.cursors.values()) {
      if (offset !== null) holds.set(stream, Math.min(holds.get(stream) ?? Infinity, offset));
    }
    return holds;
  }

  async #parts(): Promise<HeldPart[]> {
    const { chunks, state } = this.#reader;
    const parts: FoundPart[] = [];
    for (const range of await chunks.chain(state.sealedEnd)) {
      await skipDamaged(() => chunks.use(range, (chunk) => parts.push(...this.#partsOf(chunk))));
    }
    return chunks.away ? this.#whole(parts) : parts;
  }

  /**
   * What goes is summed up from the beginning of a stream: of one with records in a place that is
   * away, nothing can go until that is back.
   */
  #whole(parts: readonly FoundPart[]): FoundPart[] {
    const { state } = this.#reader;
    const isWhole = new Map<number, boolean>();
    return parts.filter(({ stream, firstOffset }) => {
      const known = isWhole.get(stream) ?? firstOffset <= state.lowWaterOf(stream);
      isWhole.set(stream, known);
      return known;
    });
  }

  #partsOf({ table, path }: ChunkReader): FoundPart[] {
    const isLocal = path.startsWith(`${this.#reader.paths.chunks}/`);
    return [...table]
      .filter(({ directory }) => directory.length > 0)
      .map(({ stream, firstOffset, nextOffset, bytes, lastNanos }) => ({
        ...{ stream, firstOffset, endOffset: nextOffset },
        ...{ bytes, localBytes: isLocal ? bytes : 0 },
        lastNanos: lastNanos === NO_NANOS ? undefined : lastNanos,
      }));
  }

  #trimsOf({ lowWaters }: RetentionPlan): Promise<TrimEntry[]> {
    return Promise.all(
      [...lowWaters].map(([stream, lowWater]) => planTrim(this.#reader, stream, lowWater)),
    );
  }
}

function rulesOf({ state }: StoreReader): UpkeepRules {
  if (state.retention === undefined) return KEEP_EVERYTHING;
  const { budget, rules } = state.retention;
  const { bytes, minFreeBytes } = budget;
  return { budgetBytes: bytes, minFreeBytes, retention: rules };
}

function identityOf({ fs, paths }: StoreReader): StoreIdentity {
  const identity = readStoreJson(fs, paths.storeJson);
  if (identity) return identity;
  throw new HelicorderError('DAMAGED', `${paths.storeJson} cannot be read`);
}
