/**
 * A recorder's status for people: the live block of a terminal, and one line for a log. The block
 * is redrawn with one write that moves up over the old one, so it does not flicker. No line is
 * longer than the terminal is wide; after a resize the old lines have wrapped, and the number of
 * rows they take now is what has to be moved up.
 */
import { NANOS_PER_SECOND } from '../engine/base/constants.ts';
import { formatBytes } from '../engine/config/units.ts';
import type { Percentiles, RecorderStatus, RecorderSummary } from '../engine/tools/types.ts';
import type { Output } from './command.ts';

export function statusLines(status: RecorderStatus): string[] {
  const { durable, latenessMicros: lateness, missed, scheduling, writes } = status;
  const lines = [
    `helicorder  ${status.state}, ${counted(status.sources, 'source')}, ` +
      `up ${elapsed(status.uptimeSeconds)}`,
    `samples     ${status.samples}, ${status.samplesPerSecond.toFixed(1)}/s of ` +
      `${status.ticksScheduled} ticks scheduled`,
    `missed      late ${missed.late}, overflow ${missed.overflow}, full ${missed.full}, ` +
      `device ${missed.device}, stopped ${missed.stopped}, crash ${missed.crash}` +
      suspended(missed.suspendedNanos),
    `lateness    ${percentiles(lateness)}`,
    `scheduling  ${schedulingText(scheduling)}`,
    `durable     ${durable.lsn} by ${writes.rung} writes, ` +
      `commit ${percentiles(writes.commitMicros)}`,
    `            sample to disk ${percentiles(writes.durableMicros)}`,
    `            lately ${percentiles(writes.recentDurableMicros)}`,
    ...durable.offsets.map(({ stream, nextOffset }) => `            ${stream} ${nextOffset}`),
    `bytes       ${status.bytesPerSample.toFixed(2)} per sample, padding ` +
      `${formatBytes(Number(status.paddingBytes))}, on disk ` +
      `${formatBytes(Number(status.diskBytes))}, free ${formatBytes(Number(status.freeBytes))}` +
      forecastText(status.fullInSeconds),
  ];
  if (scheduling.grant !== undefined) lines.push(`better      ${scheduling.grant}`);
  return [...lines, ...status.warnings.map((warning) => `warning     ${warning}`)];
}

function schedulingText(scheduling: RecorderStatus['scheduling']): string {
  const { rung, cpu, memoryLocked, spinMicros, cpuDmaLatencyMicros } = scheduling;
  return [
    `${rung}${cpu < 0 ? '' : ` on processor ${cpu}`}`,
    ...(memoryLocked ? ['memory locked'] : []),
    // a recorder of an earlier version says neither
    ...(spinMicros ? [`spins for ${spinMicros} µs`] : []),
    ...(Number.isFinite(cpuDmaLatencyMicros) ? [`wakes within ${cpuDmaLatencyMicros} µs`] : []),
  ].join(', ');
}

/** Everything that matters in one line, for a log. */
export function statusLine(status: RecorderStatus): string {
  const { missed, latenessMicros, scheduling, durable } = status;
  return (
    `${status.state}: ${status.samples} samples, ${status.samplesPerSecond.toFixed(1)}/s, ` +
    `missed late ${missed.late} overflow ${missed.overflow} full ${missed.full} ` +
    `device ${missed.device}, lateness p99 ${micros(latenessMicros.p99)}, ` +
    `${scheduling.rung}, durable ${durable.lsn}, ${status.bytesPerSample.toFixed(2)} B/sample, ` +
    `${formatBytes(Number(status.diskBytes))} on disk`
  );
}

export function summaryLine(summary: RecorderSummary): string {
  // one that has no ticks is known by its length in time only, as across a change of the rate
  const gaps = summary.gaps
    .map(({ reason, ticks }) => `${reason} ${ticks === '0' ? 'unknown' : ticks}`)
    .join(', ');
  return (
    `${summary.clean ? 'stopped cleanly' : 'stopped'} after ${elapsed(summary.seconds)}: ` +
    `${summary.samples} samples of ${summary.ticksScheduled} ticks scheduled, ` +
    `gaps: ${gaps || 'none'}`
  );
}

/** Draws blocks of lines over each other on a terminal. */
export class LiveBlock {
  readonly #output: Output;
  #drawn: string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** Of the terminal, as it is now. */
  get rows(): number {
    return Math.max(4, this.#output.rows ?? 24);
  }

  draw(lines: string[]): Promise<void> {
    const columns = Math.max(20, this.#output.columns ?? 80);
    const { rows } = this;
    // what scrolled out of the screen cannot be reached any more, so a block never exceeds it
    const fitting = lines.slice(0, rows - 1).map((line) => line.slice(0, columns - 1));
    const up = this.#drawn.reduce((sum, line) => sum + Math.ceil(line.length / columns), 0);
    this.#drawn = fitting;
    const home = up > 0 ? `\x1b[${Math.min(up, rows - 1)}A\r` : '\r';
    return this.#output.write(`${home}${fitting.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
  }
}

/** `, full in 6 d 4 h at this rate`; nothing where that cannot be told. */
export function forecastText(seconds: number | null): string {
  if (seconds === null) return '';
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  const text =
    days > 0 ? `${days} d ${hours} h` : hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min`;
  return `, full in ${text} at this rate`;
}

/** `1 source`, `2 sources` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function percentiles({ p50, p99, max }: Percentiles): string {
  return `p50 ${micros(p50)}, p99 ${micros(p99)}, max ${micros(max)}`;
}

function micros(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${value.toFixed(1)} µs`;
}

function suspended(nanos: string): string {
  const seconds = Number(nanos) / NANOS_PER_SECOND;
  return seconds === 0 ? '' : `, suspended ${seconds.toFixed(3)} s`;
}

function elapsed(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}
