/** The memory that a configuration asks for: what `validate` prints, as it is with `--json`. */
import type { ChannelType } from '../batch/schema.ts';

/** One rate group's share of memory. */
export interface RateGroupBuffers {
  bus: 'native' | 'typescript';
  rateHz: number;
  /** names */
  sources: string[];
  /** how many channels of all its sources have which type */
  channels: Partial<Record<ChannelType, number>>;
  /** of one tick of all its sources */
  rowBytes: number;
  ringBytes: number;
  /** how long the ring holds on when nobody drains it */
  ringSeconds: number;
  /** rows that one flush makes into a batch of each source */
  batchRows: number;
  /** what these batches and their times may need in the log's buffer */
  batchBytes: number;
  /** the same in a backlog */
  maxBatchRows: number;
  maxBatchBytes: number;
}

export interface BufferSizes {
  groups: RateGroupBuffers[];
  /** Node, its threads and what V8 has compiled: the same for every configuration, or nearly */
  programBytes: number;
  /** what the program keeps of its sources, all of them: streams, runs, statistics */
  sourceBytes: number;
  /** the group that is being filled, and the aligned memory it is written from; at most */
  logBytes: number;
  /** all of these together, and the rings: resident memory of the process (VmRSS) */
  expectedRssBytes: number;
  /** sources whose device cannot be opened here: they are not in the groups */
  unavailable: { source: string; problem: string }[];
}
