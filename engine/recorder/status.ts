/** One status object from what the writer counted and what the samplers say of themselves. */
import type { RecorderConfig } from '../config/config.ts';
import type { RecorderStatus, RecorderSummary } from '../tools/types.ts';
import type { CollectorStatus } from '../collector/collector.ts';
import type { EndState } from './ending.ts';

/** What all samplers of a recorder report together. */
export interface SamplersReport {
  rung: string;
  cpu: number;
  memoryLocked: boolean;
  refused: string[];
  latenessMicros: { p50: number; p99: number; max: number };
  suspendedNanos: bigint;
  /** 0: no native thread spins */
  spinMicros: number;
  /** null: processors wake when they do */
  cpuDmaLatencyMicros: number | null;
}

interface Parts {
  config: RecorderConfig;
  collector: CollectorStatus | undefined;
  samplers: SamplersReport | undefined;
  uptimeSeconds: number;
  samplesPerSecond: number;
  /** undefined: it records */
  ending: EndState | undefined;
  /** sentences about what does not work, beside the writer's */
  problems: readonly string[];
}

export function mergeStatus(parts: Parts): RecorderStatus {
  const { config, collector, samplers, uptimeSeconds, samplesPerSecond, ending } = parts;
  const ticksOf = (reason: string): string =>
    String(collector?.gaps.find((gap) => gap.reason === reason)?.ticks ?? 0);
  const nothing = { p50: 0, p99: 0, max: 0 };
  const { samples = 0, bytes = 0 } = collector ?? {};
  const isWaiting = collector?.waitingForSpace === true;
  return {
    state: ending ?? (isWaiting ? 'waiting-for-space' : 'recording'),
    uptimeSeconds,
    sources: config.sources.length,
    samples: String(samples),
    samplesPerSecond,
    ticksScheduled: String(collector?.ticks ?? 0),
    missed: {
      late: ticksOf('late'),
      overflow: ticksOf('overflow'),
      full: ticksOf('full'),
      device: ticksOf('device'),
      stopped: ticksOf('stopped'),
      crash: ticksOf('crash'),
      suspendedNanos: String(samplers?.suspendedNanos ?? 0n),
    },
    latenessMicros: samplers?.latenessMicros ?? nothing,
    scheduling: {
      rung: samplers?.rung ?? 'none',
      cpu: samplers?.cpu ?? -1,
      memoryLocked: samplers?.memoryLocked ?? false,
      refused: samplers?.refused ?? [],
      grant: samplers && grantOf(samplers, config),
      spinMicros: samplers?.spinMicros ?? 0,
      cpuDmaLatencyMicros: samplers?.cpuDmaLatencyMicros ?? null,
    },
    durable: {
      lsn: collector?.durableLsn ?? '0:0',
      offsets: (collector?.offsets ?? []).map(({ stream, nextOffset }) => ({
        stream,
        nextOffset: String(nextOffset),
      })),
    },
    bytesPerSample: samples > 0 ? bytes / samples : 0,
    paddingBytes: String(collector?.paddingBytes ?? 0),
    diskBytes: String(collector?.diskBytes ?? 0),
    limitBytes: String(collector?.limitBytes ?? 0),
    fullInSeconds: collector?.fullInSeconds ?? null,
    freeBytes: String(collector?.freeBytes ?? 0),
    writes: {
      rung: collector?.direct === false ? 'buffered' : 'direct',
      commitMicros: collector?.commitMicros ?? nothing,
      durableMicros: collector?.durableMicros ?? nothing,
      recentDurableMicros: collector?.recentDurableMicros ?? nothing,
    },
    warnings: [...parts.problems, ...notPinned(parts), ...(collector?.warnings ?? [])],
  };
}

/** A processor that was asked for and is not there, or not for this process. */
function notPinned({ samplers, config }: Parts): string[] {
  const isRefused = samplers?.refused.includes('sched_setaffinity: EINVAL');
  return isRefused ? [`processor ${config.cpu} (cpu) cannot be had: any may be used`] : [];
}

/** The one command that would grant what the kernel refused. */
function grantOf({ refused }: SamplersReport, { realtime }: RecorderConfig): string | undefined {
  if (!refused.some((call) => call.endsWith('EPERM')) || realtime === 'off') return undefined;
  return `sudo setcap cap_sys_nice,cap_ipc_lock+ep "${process.execPath}"`;
}

export function summaryOf(status: CollectorStatus, seconds: number): RecorderSummary {
  return {
    samples: String(status.samples),
    ticksScheduled: String(status.ticks),
    gaps: status.gaps.map(({ reason, ticks }) => ({ reason, ticks: String(ticks) })),
    seconds,
    clean: true,
  };
}
