/**
 * What a machine and its disk cost, measured in a few seconds: one durable block, durable
 * megabytes, and being woken by a timer. Nothing is left behind: the file that is written has no
 * name any more from the moment it is open, so even a kill leaves none.
 */
import { monotonicMs } from '../base/clock.ts';
import { BLOCK_BYTES, MIB } from '../base/constants.ts';
import { Histogram } from '../base/histogram.ts';
import { hex } from '../base/bytes.ts';
import type { StoreEnvironment } from '../store/store.ts';
import type { BoxFacts, Percentiles } from './types.ts';

const FILE_BYTES = 16 * MIB;
/** Durable writes of one block: as many as this, or as many as this time holds. */
const SYNCS = 500;
const LARGE_WRITES = 64;
const WAKES = 500;
const PHASE_MS = 1000;
const WAKE_MS = 1;
/** After this long others get the thread: a signal is heard within it. */
const BREATH_MS = 50;
const SUB_BITS = 7;

/**
 * @param dir exists; on the file system that is measured
 * @param signal ends the measurement early
 * @throws HelicorderError STORE_IO, NO_SPACE; the signal's reason
 */
export async function measureBox(
  dir: string,
  environment: StoreEnvironment,
  signal?: AbortSignal,
): Promise<BoxFacts> {
  const { fs, random } = environment;
  const direct = fs.probeDirect(dir);
  const path = `${dir}/.helicorder-tune-${hex(random.bytes(8))}`;
  const file = fs.openDurable(path, direct);
  try {
    fs.remove(path);
    const phase = new Phases(environment, signal);
    const zeros = fs.alignedBuffer(MIB);
    await phase.repeat(FILE_BYTES / MIB, Infinity, (i) => file.write(zeros, i * MIB));
    const block = fs.alignedBuffer(BLOCK_BYTES).fill(0xa5);
    const blocks = FILE_BYTES / BLOCK_BYTES;
    const sync = await phase.repeat(SYNCS, PHASE_MS, (i) =>
      file.write(block, (i % blocks) * BLOCK_BYTES),
    );
    const large = fs.alignedBuffer(MIB).fill(0xa5);
    const write = await phase.repeat(LARGE_WRITES, PHASE_MS, (i) =>
      file.write(large, (i * MIB) % FILE_BYTES),
    );
    const wake = await phase.repeat(WAKES, PHASE_MS, () => environment.pause(WAKE_MS), WAKE_MS);
    return {
      fileSystem: fs.info(dir).type,
      direct,
      syncMicros: sync.micros,
      syncCpuMicros: sync.cpuMicros,
      // of the median, so that one stall does not count as a slow disk
      writeBytesPerSecond: Math.round((MIB * 1e6) / write.micros.p50),
      wakeMicros: wake.micros,
      wakeCpuMicros: wake.cpuMicros,
    };
  } finally {
    file.close();
  }
}

interface Repeated {
  /** of one time, beyond what was asked for */
  micros: Percentiles;
  /** of the whole process, per time */
  cpuMicros: number;
}

/** Repeats a piece of work and measures each time of it; others get the thread in between. */
export class Phases {
  readonly #environment: StoreEnvironment;
  readonly #signal: AbortSignal | undefined;

  constructor(environment: StoreEnvironment, signal: AbortSignal | undefined) {
    this.#environment = environment;
    this.#signal = signal;
  }

  /** Does it `times` times, or until `limitMs` are over; at least once. */
  async repeat(
    times: number,
    limitMs: number,
    work: (i: number) => void,
    askedMs = 0,
  ): Promise<Repeated> {
    const { clock, sleep } = this.#environment;
    const histogram = new Histogram(SUB_BITS);
    const startMs = monotonicMs(clock);
    let [breathMs, done, cpuMicros] = [startMs, 0, 0];
    while (done === 0 || (done < times && monotonicMs(clock) - startMs < limitMs)) {
      this.#signal?.throwIfAborted();
      const cpu = process.cpuUsage();
      const fromMs = monotonicMs(clock);
      work(done++);
      const nowMs = monotonicMs(clock);
      const { user, system } = process.cpuUsage(cpu);
      cpuMicros += user + system;
      histogram.add(Math.max(0, nowMs - fromMs - askedMs) * 1000);
      if (nowMs - breathMs < BREATH_MS) continue;
      await sleep(0);
      breathMs = monotonicMs(clock);
    }
    return { micros: histogram.percentiles(), cpuMicros: cpuMicros / done };
  }
}
