/**
 * The engine as the commands see it. It is loaded when a command first needs it: `--help`,
 * `--version` and errors of use work on every system, also where the addon is not built.
 */
import { HelicorderError } from '../engine/base/errors.ts';
import type { ConfigFiles } from '../engine/config/config-file.ts';
import type { RecorderConfig } from '../engine/config/config.ts';
import type { DriverFace } from '../engine/config/schema.ts';
import type {
  CatOptions,
  GapsReport,
  RecorderStatus,
  RecorderSummary,
  StreamInfo,
  VerifyReport,
  WriteOptions,
} from '../engine/tools/types.ts';

export interface RunningRecorder {
  status(): RecorderStatus;
  stop(reason?: string): Promise<RecorderSummary>;
  readonly finished: Promise<RecorderSummary>;
}

export interface OpenStore {
  info(stream: string): StreamInfo;
  close(): void;
}

export interface ReadableFile {
  /** Reads into all of `into` except at the end of the file; returns the bytes read. */
  read(into: Uint8Array, position: number): number;
  close(): void;
}

export interface Engine {
  nodeFileSystem: ConfigFiles & { open(path: string, mode: 'read'): ReadableFile };
  drivers: readonly DriverFace[];
  Recorder: { start(config: RecorderConfig): Promise<RunningRecorder> };
  Store: { open(dir: string, options: { readOnly: true }): OpenStore };
  describeStreams(store: OpenStore): StreamInfo[];
  cat(store: OpenStore, options: CatOptions): AsyncIterable<Uint8Array | string>;
  gaps(store: OpenStore, stream: string): Promise<GapsReport>;
  verify(dir: string): Promise<VerifyReport>;
  writeEvents(options: WriteOptions): Promise<void>;
}

/** @throws HelicorderError UNSUPPORTED if the addon is missing or made for another Node */
export async function loadEngine(): Promise<Engine> {
  try {
    return (await import('../engine/index.ts')) as unknown as Engine;
  } catch (error) {
    if (error instanceof HelicorderError) throw error;
    const [reason] = String(error).split('\n');
    throw new HelicorderError('UNSUPPORTED', `the engine cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}
