/** The public face of Helicorder: what `import … from 'helicorder'` gives. Re-exports only. */
export { ERRORS, HelicorderError, type ErrorCode } from './base/errors.ts';
export type { Channel, ChannelType, Schema } from './batch/schema.ts';
export type { SampleGap } from './batch/ledger.ts';
export type { SampleBatch } from './batch/samples.ts';
export { resolveConfig, type RecorderConfig, type SourceConfig } from './config/config.ts';
export { defineTransform } from './derive/transform.ts';
export type {
  EventsTransform,
  SamplesTransform,
  Transform,
  TransformEvents,
  TransformOptions,
  TransformSamples,
  TransformedSamples,
} from './derive/transform.ts';
export type { TransformFile } from './derive/transform-file.ts';
export { DRIVERS as drivers } from './drivers/registry.ts';
export type { Driver, OpenDriver } from './drivers/driver.ts';
export { nodeFileSystem } from './files/node-file-system.ts';
export * from './reader.ts';
export { bufferSizes } from './recorder/buffers.ts';
export { tryCopies } from './recorder/check-copies.ts';
export { Consumer, type Commit, type ConsumerOptions } from './connect/consumer.ts';
export { copyStream, type CopyReport } from './connect/copy.ts';
export type { CopyOptions } from './connect/copy-options.ts';
export { Recorder, type RecorderOptions } from './recorder/recorder.ts';
export { writeEvents, type WriteOptions } from './connect/write.ts';
export type { InputPosition, WriterPosition } from './store/state/positions.ts';
export { selfTest, type SelfTestOptions } from './selftest/selftest.ts';
export type * from './selftest/types.ts';
export { askRecorder, changeStore, type Change, type ChangeOptions } from './tools/change.ts';
export { tune, type TuneOptions } from './tools/tune.ts';
export { repair } from './tools/doctor-repair.ts';

export type * from './tools/types.ts';
