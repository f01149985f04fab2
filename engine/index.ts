/** The public face of Helicorder: what `import … from 'helicorder'` gives. Re-exports only. */
export { ERRORS, HelicorderError, type ErrorCode } from './base/errors.ts';
export type { Channel, ChannelType, Schema } from './batch/schema.ts';
export type { SampleBatch, SampleGap } from './batch/samples.ts';
export { resolveConfig, type RecorderConfig, type SourceConfig } from './config/config.ts';
export { DRIVERS as drivers } from './drivers/registry.ts';
export type { Driver, OpenDriver } from './drivers/driver.ts';
export { nodeFileSystem } from './files/node-file-system.ts';
export { Recorder } from './recorder/recorder.ts';
export { Appender, Store, type ReadOptions } from './store/store.ts';
export type { EventsItem, GapItem, SamplesItem, StreamItem } from './store/stream-reader.ts';
export { cat } from './tools/cat.ts';
export { askRecorder, changeStore, type Change, type ChangeOptions } from './tools/change.ts';
export { describeCursor, describeCursors } from './tools/cursors.ts';
export { describeStream, describeStreams } from './tools/describe.ts';
export { gaps } from './tools/gaps.ts';
export { verify } from './tools/verify.ts';
export { writeEvents, type WriteOptions } from './tools/write.ts';
export type * from './tools/types.ts';
