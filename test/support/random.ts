/** Seeded randomness for tests: a failing run is repeated with HELICORDER_SEED. */
export const SEED = Number(process.env['HELICORDER_SEED'] ?? (process.pid * 2654435761) % 2 ** 31);

/** mulberry32: small, and good enough to choose moments and bytes. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 ≤ value < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/**
 * How often a test repeats what an issue counts: in full with `npm run test:soak`, a tenth else.
 */
export function repeats(soak: number): number {
  return process.env['HELICORDER_SOAK'] ? soak : Math.max(5, Math.ceil(soak / 10));
}
