/**
 * Every message between the main thread and its workers, typed. A worker says READY once it can do
 * its work, and gives a reason for every exit: `stopped`, or `failed` with the error.
 */
import type { CopyConfig } from '../config/copies.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Answer } from '../control/protocol.ts';
import type { StoreRequest } from '../control/service.ts';
import type { CollectorOptions, CollectorStatus } from '../collector/collector.ts';
import type { GroupSpec } from '../collector/group-spec.ts';
import type { RateGroup } from '../sampler/rate-group.ts';
import type { RetentionEntry } from '../store/entries/retention-entry.ts';
import type { UpkeepResult } from '../store/upkeep/upkeep.ts';

/** An error on its way between threads: structured clone drops classes. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  stack: string;
}

export interface WriterData {
  options: CollectorOptions;
  flushIntervalMs: number;
  /** ahead of what is not urgent, if that is granted */
  isUrgent: boolean;
}

export type ToWriter =
  | { type: 'status' }
  | { type: 'stop' }
  /** asked by a client of the control socket; its answer names the key */
  | {
      type: 'request';
      connection: number;
      key: number;
      request: StoreRequest;
      payload: Uint8Array;
    }
  | { type: 'gone'; connection: number }
  /** what a step of upkeep has found, to be made true */
  | { type: 'upkeep'; key: number; result: UpkeepResult }
  /** could runs of these groups be begun? and what is kept from now on */
  | { type: 'prepare'; key: number; groups: GroupSpec[]; retention: RetentionEntry | undefined }
  /** numbers of groups whose samplers have stopped, and groups to be begun */
  | { type: 'replace-groups'; key: number; ended: number[]; begun: GroupSpec[] }
  | { type: 'flush-interval'; ms: number };

/** What the writer worker answers with `done`. */
export type Question = WithoutKey<
  Extract<ToWriter, { type: 'upkeep' | 'prepare' | 'replace-groups' }>
>;
type WithoutKey<T> = T extends unknown ? Omit<T, 'key'> : never;

export type FromWriter =
  | { type: 'ready' }
  | { type: 'status'; status: CollectorStatus }
  | { type: 'answer'; key: number; answer: Answer }
  /** what main asked under this key is done, or refused with nothing changed */
  | { type: 'done'; key: number; error: PlainError | undefined }
  /** the disk is full: answers come when there is space again */
  | { type: 'waiting'; message: string }
  /** clean: everything that was sampled is durable */
  | { type: 'stopped'; clean: boolean; status: CollectorStatus }
  | { type: 'failed'; error: PlainError };

/** A source whose driver the worker opens itself. */
export interface SamplerSourceData {
  name: string;
  driver: string;
  options: Record<string, unknown>;
  rateHz: number;
  timestampResolutionNanos: bigint;
}

export interface SamplerGroupData extends Omit<RateGroup, 'sources'> {
  sources: SamplerSourceData[];
}

/** The copier worker takes one message, whatever it is: to stop. */
export interface CopyData {
  dataDir: string;
  /** all of one target */
  copies: CopyConfig[];
}

export type FromCopy =
  | { type: 'ready' }
  /** problem undefined: the stream is copied well again; stream undefined: all of them */
  | { type: 'problem'; stream: string | undefined; problem: string | undefined }
  | { type: 'stopped' }
  | { type: 'failed'; error: PlainError };

/** The sampler worker takes no messages: its thread sleeps on the stop word. */
export interface SamplerData {
  stop: SharedArrayBuffer;
  t0Nanos: bigint;
  groups: SamplerGroupData[];
}

export type FromSampler =
  { type: 'ready' } | { type: 'stopped' } | { type: 'failed'; error: PlainError };
