/**
 * A request to the kernel that no processor sleeps so deeply that it takes longer than some
 * microseconds to wake. It holds as long as the file is open, and for the whole machine; the lowest
 * of all requests counts. Source: Documentation/power/pm_qos_interface.rst of the kernel, which
 * takes a signed 32-bit number in the order of the machine's bytes.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';

export const CPU_DMA_LATENCY_PATH = '/dev/cpu_dma_latency';

export class CpuDmaLatency {
  readonly micros: number;
  readonly #fd: number;

  /** @throws what open(2) or write(2) fails with; a file that is not there is not made */
  constructor(path: string, micros: number) {
    this.micros = micros;
    this.#fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(this.#fd, Int32Array.of(micros));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
