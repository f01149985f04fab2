/** Sealing as the owner does it, in one thread. */
import { sealUpTo } from '../../engine/store/changes.ts';
import { DirectoryPlace } from '../../engine/store/chunks/directory-place.ts';
import { sealSegments, type SealContext } from '../../engine/store/chunks/sealer.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import { makeLsn, segmentOf } from '../../engine/store/log/format.ts';
import { listSegments } from '../../engine/store/log/segment.ts';
import type { StoreWriter } from '../../engine/store/writer.ts';

export function sealContext(fs: FileSystem, writer: StoreWriter): SealContext {
  const { state, paths, identity } = writer;
  return {
    fs,
    logDir: paths.log,
    place: new DirectoryPlace(fs, paths.chunks),
    storeId: identity.storeId,
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
