/** How long processors may take to wake while a recorder runs, if it was asked to say so. */
import { errnoCode } from '../base/errors.ts';
import type { RecorderConfig } from '../config/config.ts';
import { CPU_DMA_LATENCY_PATH, CpuDmaLatency } from '../files/cpu-dma-latency.ts';

export class WakeLatency {
  #held: CpuDmaLatency | undefined;
  /** why it is not held, though it was asked for */
  readonly problem: string | undefined;

  constructor({ cpuDmaLatencyMicros: micros }: RecorderConfig, path = CPU_DMA_LATENCY_PATH) {
    if (micros === undefined) return;
    try {
      this.#held = new CpuDmaLatency(path, micros);
    } catch (error) {
      const errno = errnoCode(error);
      if (errno === undefined) throw error;
      this.problem =
        `processors sleep as deeply as ever, though cpuDmaLatency is ${micros} µs: ` +
        `${path} cannot be written: ${errno}`;
    }
  }

  /** what is held, µs; null: nothing */
  get micros(): number | null {
    return this.#held?.micros ?? null;
  }

  /** A second time it does nothing. */
  close(): void {
    this.#held?.close();
    this.#held = undefined;
  }
}
