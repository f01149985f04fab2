/**
 * `stream cp`: one stream into another, in the same store or in another one, exactly once.
 *
 *   StoreSource ─ pieces ─▶ (DerivedSource) ─▶ Copier ─▶ StoreParticipant
 *        │ cursor, intent                                     │ transactions
 *        ▼                                                    ▼
 *   owner of the source                          owner of the target      by their control sockets
 *
 * With `where` or `transform` the records are derived on their way (`engine/derive`).
 *
 * Each owner is whatever recorder runs on the store, or one without sources begun here. The copy
 * may be killed at any moment, and so may they: called again with the same names it goes on where
 * it was (`docs/durability.md`).
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { COPY_BATCH_RECORDS, COPY_LINGER_MS } from '../base/constants.ts';
import { systemEnvironment } from '../store/store.ts';
import { usingLinks, type OwnerLink } from '../targets/owner-link.ts';
import { StoreParticipant } from '../targets/store-participant.ts';
import { SourceStore } from '../targets/source-store.ts';
import { StoreSource } from '../targets/store-source.ts';
import { DerivedSource } from '../targets/derived-source.ts';
import { loadDerivation, type Derivation } from '../derive/derivation.ts';
import type { CopySource } from '../txn/source.ts';
import { isStop } from '../txn/pacing.ts';
import { Copier, type CopierOptions } from '../txn/copier.ts';
import { checkCopy, type CopyOptions } from './copy-options.ts';
import { linkTo } from './own-store.ts';

export interface CopyReport {
  cursor: string;
  /** offset of the source at which the copy began, ever */
  base: number;
  /** the first offset of the source that the target does not have */
  nextOffset: number;
  /** by this call */
  records: number;
  transactions: number;
  /** false: it was told to stop */
  done: boolean;
}

/** Ways to the owners of both stores, and a reader of the source; several copies may share them. */
export class CopyLinks {
  readonly source: OwnerLink;
  readonly target: OwnerLink;
  readonly store: SourceStore;

  /** @throws NOT_A_STORE, DAMAGED */
  constructor(dataDir: string, toDataDir: string, onWaiting?: CopyOptions['onWaiting']) {
    this.source = linkTo(dataDir, onWaiting);
    this.target = linkTo(toDataDir, onWaiting);
    this.store = new SourceStore(dataDir, this.source, systemEnvironment);
  }

  async close(): Promise<void> {
    this.store.close();
    try {
      await this.target.close();
    } finally {
      await this.source.close();
    }
  }
}

/**
 * Copies, one-shot or for ever.
 * @throws NOT_A_STORE, NO_SUCH_STREAM, USAGE, TARGET_ROLLED_BACK, SOURCE_DIVERGED, STORE_IN_USE
 */
export async function copyStream(options: CopyOptions): Promise<CopyReport> {
  checkCopy(options);
  const links = new CopyLinks(options.dataDir, options.toDataDir, options.onWaiting);
  return usingLinks(links, () => copyThrough(links, options));
}

/** The same through links of the caller's. */
export async function copyThrough(links: CopyLinks, options: CopyOptions): Promise<CopyReport> {
  checkCopy(options);
  const { from, to, begin, isFromFile = false } = options;
  const derivation = await loadDerivation(options, isFromFile ? 'CONFIG' : 'USAGE');
  const { cursor = defaultCursor(options, derivation) } = options;
  const store = new StoreSource({
    ...{ store: links.store, stream: from, to, cursor, from: begin, isStanding: isFromFile },
    ...(derivation && { derivation: derivation.id }),
    ...(options.onDamage && { onDamage: options.onDamage }),
  });
  const shape = store.shape();
  const schema = derivation ? derivation.schemaOf(shape.schema) : shape.schema;
  const source = derivation ? new DerivedSource(store, derivation) : store;
  const participant = new StoreParticipant(links.target, { ...shape, stream: to, schema });
  const { signal = new AbortController().signal } = options;
  try {
    return await run(source, participant, { ...options, cursor, signal });
  } catch (error) {
    // before the source has said where the copy is
    if (!isStop(error, signal)) throw error;
    return { cursor, ...store.place(), records: 0, transactions: 0, done: false };
  }
}

async function run(
  source: CopySource,
  participant: StoreParticipant,
  options: CopyOptions & { cursor: string; signal: AbortSignal },
): Promise<CopyReport> {
  const { batchRecords, bytesPerSecond, signal, cursor } = options;
  const { writer } = await source.open(signal);
  const { follow = false, lingerMs = COPY_LINGER_MS } = options;
  const report = { records: 0, transactions: 0 };
  const until = await lastSeq(source, writer.base, options);
  const copier = new Copier(source, participant, {
    ...(batchRecords === undefined ? {} : batchOf(batchRecords)),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    signal,
    ...(follow ? { lingerMs } : {}),
    ...(until === undefined ? {} : { until }),
    onProgress: (progress) => {
      if (progress.kind === 'committed') {
        report.records += progress.records;
        report.transactions++;
      }
      options.onProgress?.(progress);
    },
  });
  const { acked, ended } = await copier.run();
  const { base } = writer;
  return { cursor, base, nextOffset: base + acked, ...report, done: ended === 'done' };
}

/** Who asks for more than there would be wants that in one, whatever it costs. */
function batchOf(batchRecords: number): Pick<CopierOptions, 'batchRecords' | 'batchBytes'> {
  return batchRecords > COPY_BATCH_RECORDS
    ? { batchRecords, batchBytes: Infinity }
    : { batchRecords };
}

async function lastSeq(
  source: CopySource,
  base: number,
  { end, follow = false }: CopyOptions,
): Promise<number | undefined> {
  if (follow) return undefined;
  return Math.max(0, Math.min((end ?? Infinity) - base, await source.end()));
}

/**
 * The same for the same source, target and derivation: a copy that is called again goes on. The
 * name is durable, and so is how it is made: of the path as it is written, made absolute. Links in
 * it are not followed: copies that were begun through one would begin again under another name.
 */
function defaultCursor({ from, toDataDir, to }: CopyOptions, derivation?: Derivation): string {
  const target = createHash('sha256')
    .update(`${resolve(toDataDir)}\n${to}`)
    .digest('hex');
  const name = `cp-${from.replace('/', '.').slice(0, 80)}-${target.slice(0, 8)}`;
  return derivation ? `${name}-${derivation.id.slice(0, 8)}` : name;
}
