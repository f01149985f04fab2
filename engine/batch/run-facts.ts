/** What is known of a run wherever its records are: in its own store, in a copy, on the way. */
export interface RunFacts {
  writer: string;
  epoch: number;
  /** seq of the run's first record */
  firstSeq: number;
  bootId: string;
  t0Nanos: bigint;
  /** 0: opaque events, no schedule */
  periodNanos: bigint;
  resolutionNanos: bigint;
  clock: { monotonicNanos: bigint; boottimeNanos: bigint; utcNanos: bigint };
  kernelClock: { synchronized: boolean; maxErrorMicros: number };
  /** constants of the source that its events carry, in order: RemoteAddr, Interface … */
  attributes: [string, string][];
}
