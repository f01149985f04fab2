/**
 * What the numbers were measured on, and who else was running meanwhile. All of it from the
 * kernel: /proc/stat (time stolen by the hypervisor, time used by anybody), /proc/<pid>/stat and
 * status (CPU and memory of one process). Formats: proc(5).
 */
import { cpus, release, totalmem } from 'node:os';
import { systemClock } from '../engine/base/clock.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { VERSION } from '../engine/base/version.ts';
import { formatUtc } from '../engine/base/time-text.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { listNames, readText, readTextIfThere } from './files.ts';

export interface Machine {
  cpu: string;
  cores: number;
  memoryMib: number;
  kernel: string;
  node: string;
  /** of the directory in which the stores were made */
  fileSystem: string;
  helicorder: string;
  /** UTC */
  measured: string;
  mode: 'full' | 'quick';
}

export function describeMachine(dir: string, quick: boolean): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryMib: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    node: process.version,
    fileSystem: nodeFileSystem.info(dir).type,
    helicorder: VERSION,
    measured: formatUtc(systemClock.read().utcNanos),
    mode: quick ? 'quick' : 'full',
  };
}

/** In percent of all processors' time. */
export interface Load {
  seconds: number;
  /** time the hypervisor gave to others though this machine wanted it */
  stealPercent: number;
  /** time used by processes that the benchmark did not start */
  otherPercent: number;
}

/** USER_HZ is 100 on every architecture that Linux exports it on (see times(2), sysconf(3)). */
const CLOCK_TICKS_PER_SECOND = 100;

/** Sums of /proc/stat's first line, in clock ticks. */
export interface CpuTimes {
  busy: number;
  steal: number;
  total: number;
}

/** `cpu user nice system idle iowait irq softirq steal guest guest_nice`; guest is within user. */
export function parseCpuTimes(text: string): CpuTimes {
  const fields = text.split('\n', 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = fields;
  const busy = user + nice + system + irq + soft;
  return { busy, steal, total: busy + idle + wait + steal };
}

/** CPU that a process and the children it has waited for have used, in clock ticks. */
export interface ProcessTimes {
  own: number;
  children: number;
}

/** The process name may hold spaces and brackets: what counts begins behind the last one. */
export function parseProcessTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (index: number): number => Number(fields[index - 3]);
  return { own: number(14) + number(15), children: number(16) + number(17) };
}

/** CPU seconds of a process's own threads, or undefined if it has ended. */
export function processCpuSeconds(pid: number): number | undefined {
  const text = readTextIfThere(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseProcessTimes(text).own / CLOCK_TICKS_PER_SECOND;
}

/** What a thread has done with its time, ns; what is in neither of the two it has slept. */
export interface ThreadTimes {
  /** on a processor */
  cpuNanos: number;
  /** ready to run, and waiting for a processor */
  queuedNanos: number;
}

/** Of a thread of this process: /proc/<pid>/task/<tid>/schedstat. */
export function threadTimes(threadId: number): ThreadTimes {
  const [cpu, queued] = readText(`/proc/self/task/${threadId}/schedstat`).split(' ');
  return { cpuNanos: Number(cpu), queuedNanos: Number(queued) };
}

/** Percent of the time between two readings, so many ns apart, that a thread slept. */
export function sleptPercent(from: ThreadTimes, to: ThreadTimes, nanos: number): number {
  const awake = to.cpuNanos - from.cpuNanos + to.queuedNanos - from.queuedNanos;
  return Math.max(0, 100 * (1 - awake / nanos));
}

/** The thread of this process that has this name, as its program gave it. */
export function threadNamed(name: string): number {
  const tasks = '/proc/self/task';
  const found = listNames(tasks).find((id) => readText(`${tasks}/${id}/comm`).trim() === name);
  if (found !== undefined) return Number(found);
  throw new HelicorderError('ASSERTION', `no thread is called ${name}`);
}

/** Resident memory of a process, MiB of 2^20 bytes, or undefined if it has ended. */
export function processRssMib(pid: number): number | undefined {
  const text = readTextIfThere(`/proc/${pid}/status`);
  const kib = text && /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1];
  return kib ? Number(kib) / 1024 : undefined;
}

/** The load from its construction on, leaving out the benchmark and its children. */
export class LoadMeter {
  readonly #system = parseCpuTimes(readText('/proc/stat'));
  readonly #own = parseProcessTimes(readText('/proc/self/stat'));

  read(): Load {
    const now = parseCpuTimes(readText('/proc/stat'));
    const own = parseProcessTimes(readText('/proc/self/stat'));
    return loadBetween(
      { system: this.#system, own: this.#own },
      { system: now, own },
      cpus().length,
    );
  }
}

interface Reading {
  system: CpuTimes;
  own: ProcessTimes;
}

export function loadBetween(from: Reading, to: Reading, cores: number): Load {
  const total = Math.max(1, to.system.total - from.system.total);
  const ours = to.own.own + to.own.children - from.own.own - from.own.children;
  const others = Math.max(0, to.system.busy - from.system.busy - ours);
  return {
    seconds: total / cores / CLOCK_TICKS_PER_SECOND,
    stealPercent: (100 * (to.system.steal - from.system.steal)) / total,
    otherPercent: (100 * others) / total,
  };
}
