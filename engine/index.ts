/** The public face of the engine: what a program that embeds Helicorder, and the CLI, may use. */
export { HelicorderError, ERRORS, type ErrorCode } from './base/errors.ts';
export { resolveConfig } from './config/config.ts';
export type { RecorderConfig, ResolvedConfig, SourceConfig } from './config/config.ts';
export { DRIVERS as drivers } from './drivers/registry.ts';
export { nodeFileSystem } from './files/node-file-system.ts';
export { Recorder } from './recorder/recorder.ts';
export { Store } from './store/store.ts';
export { cat } from './tools/cat.ts';
export { describeStream, describeStreams } from './tools/describe.ts';
export { gaps } from './tools/gaps.ts';
export { verify } from './tools/verify.ts';
export { writeEvents, type WriteOptions } from './tools/write.ts';
export type * from './tools/types.ts';
