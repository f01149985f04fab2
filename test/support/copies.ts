/** A stream to copy, the copier as production puts it together, and what must hold in the end. */
import { expect } from 'vitest';
import { Store, systemEnvironment } from '../../engine/store/store.ts';
import { StoreParticipant, type Requests } from '../../engine/targets/store-participant.ts';
import { SourceStore } from '../../engine/targets/source-store.ts';
import type { Derivation } from '../../engine/derive/derivation.ts';
import { DerivedSource } from '../../engine/targets/derived-source.ts';
import { StoreSource, type StoreSourceOptions } from '../../engine/targets/store-source.ts';
import { cat } from '../../engine/tools/cat.ts';
import { describeStream } from '../../engine/tools/describe.ts';
import { gaps } from '../../engine/tools/gaps.ts';
import { verify } from '../../engine/tools/verify.ts';
import { Copier, type CopierOptions, type CopyResult } from '../../engine/txn/copier.ts';
import { systemTimer } from '../../engine/txn/pacing.ts';
import type { Fate, LocalOwner } from './local-owner.ts';
import { recordsOf } from './local-owner.ts';
import { SeededRandom } from './random.ts';
import { beginSamples, commitGap, commitSamples } from './stores.ts';

export const COPIED_STREAM = 'test/samples';

/** Back-off and probes of no length. */
export const HASTY: CopierOptions = {
  timer: { ...systemTimer, sleep: () => new Promise((resolve) => setImmediate(resolve)) },
};

/** A store, and the way to whoever owns it. */
export interface End {
  dir: string;
  owner: Requests;
}

export interface CopyOnceOptions
  extends Omit<Partial<StoreSourceOptions>, 'derivation'>, CopierOptions {
  target?: string;
  derivation?: Derivation;
}

/** Everything that is there now, or up to `until`. */
export async function copyOnce(
  from: End,
  to: End,
  options: CopyOnceOptions = {},
): Promise<CopyResult> {
  const {
    target = COPIED_STREAM,
    stream = COPIED_STREAM,
    cursor = 'copy',
    from: begin,
    isStanding = false,
    derivation,
    ...rest
  } = options;
  const reader = new SourceStore(from.dir, from.owner, systemEnvironment);
  const store = new StoreSource({
    ...(derivation && { derivation: derivation.id }),
    ...{ store: reader, stream, to: target, cursor, from: begin, isStanding },
  });
  const source = derivation ? new DerivedSource(store, derivation) : store;
  const shape = store.shape();
  const schema = derivation ? derivation.schemaOf(shape.schema) : shape.schema;
  const participant = new StoreParticipant(to.owner, { ...shape, stream: target, schema });
  try {
    const { writer } = await source.open(rest.signal ?? new AbortController().signal);
    const until = rest.until ?? (await source.end());
    expect(writer.base).toBeGreaterThanOrEqual(0);
    return await new Copier(source, participant, { ...HASTY, ...rest, until }).run();
  } finally {
    reader.close();
  }
}

/** Two runs of one writer with gaps, cut into batches of all sizes. */
export function record({ writer }: LocalOwner, random: SeededRandom, runs = 2, batches = 30): void {
  for (let run = 0; run < runs; run++) {
    const opened = beginSamples(writer, COPIED_STREAM);
    let tick = (opened.run.lastTick ?? 9) + 1;
    for (let i = 0; i < batches; i++) {
      const count = 1 + random.below(90);
      commitSamples(writer, opened, tick, count);
      tick += count;
      if (random.below(4) === 0) tick += commitGap(writer, opened, tick, 1 + random.below(9));
    }
  }
}

/**
 * A copier that is stopped and begun anew, and whose requests and replies are lost, until all has
 * arrived.
 */
export async function unluckyCopy(
  from: LocalOwner,
  to: LocalOwner,
  seed: number,
  copy: (options: CopierOptions) => Promise<unknown>,
): Promise<void> {
  const random = new SeededRandom(seed);
  const luck = 2 + random.below(20);
  const fate = (): Fate => {
    if (random.below(luck) > 0) return 'served';
    if (random.below(6) === 0) to.restart();
    return random.below(2) === 0 ? 'lost' : 'reply lost';
  };
  record(from, random, 1);
  for (let round = 0; round < 4; round++) {
    [from.fate, to.fate] = [(type) => (type === 'set-cursor' ? fate() : 'served'), fate];
    const stop = new AbortController();
    let left = random.below(40);
    const onProgress = (): void => {
      if (--left < 0) stop.abort();
    };
    await copy({ batchRecords: 1 + random.below(300), signal: stop.signal, onProgress });
    record(from, random, 1);
  }
  [from.fate, to.fate] = [() => 'served', () => 'served'];
  await copy({});
}

/** `cat --with-ledger` */
async function textOf(dir: string): Promise<string> {
  const store = Store.open(dir);
  const { kind } = await describeStream(store, COPIED_STREAM);
  const format = kind === 'opaque' ? 'ndjson-records' : 'json';
  const options = { stream: COPIED_STREAM, from: 'start', follow: false, withLedger: true, format };
  const out = cat(store, { ...options, onDamage: () => undefined } as never);
  let all = '';
  for await (const part of out) all += String(part);
  store.close();
  return all;
}

/** Record by record, and gap by gap. */
export async function expectEqual(from: string, to: string, where = ''): Promise<void> {
  expect(await recordsOf(to, COPIED_STREAM), where).toEqual(await recordsOf(from, COPIED_STREAM));
  const [there, here] = [Store.open(from), Store.open(to)];
  expect(await gaps(here, COPIED_STREAM), where).toEqual(await gaps(there, COPIED_STREAM));
  there.close();
  here.close();
}

/** Whatever can be asked of both; nobody owns them any more. */
export async function expectSame(from: string, to: string, where = ''): Promise<void> {
  await expectEqual(from, to, where);
  expect((await textOf(to)) === (await textOf(from)), `${where}: cat says the same`).toBe(true);
  const [there, here] = [await verify(from), await verify(to)];
  expect(here, where).toMatchObject({ ok: true, damage: [] });
  const copied = ({ streams }: typeof here): unknown =>
    streams.find(({ name }) => name === COPIED_STREAM);
  expect(copied(here), where).toEqual(copied(there));
}
