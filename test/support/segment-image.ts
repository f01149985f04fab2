/** Segments put together by hand, with any entries, cut into groups of any size. */
import { BLOCK_BYTES } from '../../engine/base/constants.ts';
import {
  NO_LINK,
  alignUp,
  encodeSegmentHeader,
  makeLsn,
  sealGroup,
  type SegmentHeader,
} from '../../engine/store/entries/format.ts';
import { GroupBuilder } from '../../engine/store/log/group.ts';
import type { SnapshotPart } from '../../engine/store/entries/snapshot-part.ts';

const NO_ID = new Uint8Array(16);

export function segmentHeader(segment: number, size: number): SegmentHeader {
  return {
    ...{ segment, size, salt: 0x1234_5678_9abc_def0n, blockBytes: BLOCK_BYTES },
    ...{ storeId: NO_ID, machineId: NO_ID, createdNanos: 1n, predecessor: NO_LINK },
    ...{ storeSegmentBytes: size, storeCreatedNanos: 1n },
  };
}

/** A segment that holds one run of groups, each of at most `limit` bytes. */
export function segmentImage(
  header: SegmentHeader,
  parts: readonly SnapshotPart[],
  flags: number,
  limit: number,
): { image: Uint8Array; end: number; groups: number } {
  const image = new Uint8Array(header.size);
  encodeSegmentHeader(header, image.subarray(0, BLOCK_BYTES));
  const builder = new GroupBuilder(BLOCK_BYTES);
  for (const { kind, flags: own, payload } of parts) builder.add(kind, 0, payload, own);
  const groups = builder.plan(limit);
  let [offset, predecessor] = [BLOCK_BYTES, NO_LINK];
  for (const group of groups) {
    const memory = image.subarray(offset, offset + alignUp(group.length));
    builder.layOut(group, memory);
    const crc = sealGroup(memory, header, {
      ...{ flags: flags | group.flags, offset, length: group.length, predecessor },
      ...{ writtenNanos: 1n, entries: group.entries },
    });
    predecessor = { lsn: makeLsn(header.segment, offset), length: group.length, crc };
    offset += memory.length;
  }
  return { image, end: offset, groups: groups.length };
}
