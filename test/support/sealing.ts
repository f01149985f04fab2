/** Sealing as the owner does it, in one thread. */
import type { RetentionRule } from '../../engine/base/retention.ts';
import { applyUpkeep, sealUpTo } from '../../engine/store/write/changes.ts';
import { DirectoryPlace } from '../../engine/store/chunks/directory-place.ts';
import { sealSegments, type SealContext } from '../../engine/store/chunks/sealer.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import { sealedUnder } from '../../engine/store/state/identity.ts';
import { makeLsn, segmentOf } from '../../engine/store/entries/format.ts';
import { listSegments } from '../../engine/store/log/segment.ts';
import { systemEnvironment } from '../../engine/store/store.ts';
import { upkeepStep, type UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import type { StoreWriter } from '../../engine/store/write/writer.ts';
import { SeededRandom } from './random.ts';
import { beginEvents } from './stores.ts';

export function sealContext(fs: FileSystem, writer: StoreWriter): SealContext {
  const { state, paths, identity } = writer;
  return {
    fs,
    logDir: paths.log,
    spillDir: paths.spills,
    place: new DirectoryPlace(fs, paths.chunks),
    owner: {
      storeId: identity.storeId,
      sealedUnder: sealedUnder(identity, state),
      dir: paths.chunks,
    },
    createdNanos: 0n,
    lowWaters: new Map([...state.streams.keys()].map((id) => [id, state.lowWaterOf(id)])),
    state,
    pause: () => Promise.resolve(),
  };
}

/** Seals all segments but the newest, or those before `before`, and recycles them. */
export async function sealAll(
  fs: FileSystem,
  writer: StoreWriter,
  before = segmentOf(writer.durableEnd),
): Promise<void> {
  const first = Math.max(
    writer.state.sealedEnd,
    makeLsn(listSegments(fs, writer.paths.log)[0]!, 0),
  );
  const end = makeLsn(before, 0);
  if (first >= end) return;
  await sealSegments(sealContext(fs, writer), { first, end });
  sealUpTo(writer, end);
  writer.recycleSealed();
}

/** Fills the newest segment with events of another stream, so that what is there can be sealed. */
export async function sealAllThereIs(fs: FileSystem, writer: StoreWriter): Promise<void> {
  const noise = new SeededRandom(1);
  const events = beginEvents(writer, 'test/noise', `noise ${writer.durableEnd}`);
  const before = segmentOf(writer.durableEnd);
  while (segmentOf(writer.durableEnd) === before)
    writer.appendEvents(events, [noise.bytes(200_000)]);
  await sealAll(fs, writer);
}

/** Steps of the store's upkeep until there is nothing to do. @param pause called often */
export async function upkeepToTheEnd(
  writer: StoreWriter,
  pause: () => Promise<void> = () => Promise.resolve(),
  retention: readonly RetentionRule[] = [],
): Promise<void> {
  const rules = { budgetBytes: undefined, minFreeBytes: 0, retention };
  const options = { dataDir: writer.paths.dir, ...rules };
  let after: UpkeepResult['did'] | undefined;
  do {
    const result = await upkeepStep({ ...options, after }, systemEnvironment, pause);
    await pause();
    applyUpkeep(writer, result);
    after = result.did;
  } while (after !== 'nothing');
}
