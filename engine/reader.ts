/**
 * The part of the public face that opens and reads a store. What only looks loads this: the
 * recorder, its configuration and the copier are four times as much.
 */
export { nodeFileSystem } from './files/node-file-system.ts';
export { Appender, type Appended } from './store/appender.ts';
export type { StreamSnapshot } from './store/entries/control-entries.ts';
export { Store, type ReadOptions, type StoreEnvironment } from './store/store.ts';
export type { RawItem } from './store/read/stream-reader.ts';
export type { RunInfo } from './store/state/known-runs.ts';
export type {
  EventsItem,
  FaultItem,
  GapItem,
  SamplesItem,
  StreamItem,
} from './store/read/stream-item.ts';
export { buckets, type BucketOptions } from './tools/buckets.ts';
export { cat } from './tools/cat.ts';
export { describeCursor, describeCursors } from './tools/cursors.ts';
export { describeStream, describeStreams } from './tools/describe.ts';
export { doctor } from './tools/doctor.ts';
export { gapPieces, gaps, type GapsPiece } from './tools/gaps.ts';
export { migrateStore, storeInfo } from './tools/store-info.ts';
export { Top } from './tools/top.ts';
export { verify } from './tools/verify.ts';
