/**
 * Whose a chunk is. A place may hold the chunks of other stores, and one of them may have been the
 * same store once: a clone has an id of its own, and both may go on sealing into one directory.
 *
 *   its id           read, replaced and removed wherever it lies
 *   an earlier id    in the store's own directory the same: who copied the store copied it
 *                    elsewhere read, if it ends where the store was sealed up to when it got its
 *                    next id, or before; what that id sealed behind is the other clone's. It is
 *                    never replaced or removed there: the other clone reads it as well
 *   any other        neither read nor replaced nor removed
 */
import { hex } from '../../base/bytes.ts';
import type { Lsn } from '../entries/format.ts';
import type { ChunkHeader } from './format.ts';

export interface ChunkOwner {
  /** what it seals under */
  storeId: Uint8Array;
  /** by earlier id, as hex: how far the store was sealed when it was followed by the next one */
  sealedUnder: ReadonlyMap<string, Lsn>;
  /** where its own chunks are kept, unless it is told otherwise */
  dir: string;
}

type Stated = Pick<ChunkHeader, 'storeId' | 'end'>;

export function isCurrent({ storeId }: ChunkOwner, header: Stated): boolean {
  return hex(header.storeId) === hex(storeId);
}

/** @param place the name of the one that holds the chunk */
export function mayRead(owner: ChunkOwner, header: Stated, place: string): boolean {
  if (mayChange(owner, header, place)) return true;
  return header.end <= (owner.sealedUnder.get(hex(header.storeId)) ?? 0);
}

/** May it be replaced or removed? */
export function mayChange(owner: ChunkOwner, header: Stated, place: string): boolean {
  if (isCurrent(owner, header)) return true;
  return place === owner.dir && owner.sealedUnder.has(hex(header.storeId));
}
