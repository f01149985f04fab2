/** How fast a store grows, and so when it will be full: disk use noted now and then. */
const NOTES_MAX = 360;
/** Less time than this says nothing: segments are made and let go of in steps. */
const SPAN_MIN_MS = 60_000;

export class Growth {
  readonly #notes: { atMs: number; bytes: number }[] = [];

  /** @param atMs monotonic */
  note(atMs: number, bytes: number): void {
    this.#notes.push({ atMs, bytes });
    if (this.#notes.length > NOTES_MAX) this.#notes.shift();
  }

  /** Seconds until `limitBytes` are reached at this rate; null: never, or too early to say. */
  secondsUntil(limitBytes: number): number | null {
    const [first, last] = [this.#notes[0], this.#notes.at(-1)];
    if (first === undefined || last === undefined || last.atMs - first.atMs < SPAN_MIN_MS)
      return null;
    const bytesPerMs = (last.bytes - first.bytes) / (last.atMs - first.atMs);
    if (bytesPerMs <= 0) return null;
    return Math.max(0, (limitBytes - last.bytes) / bytesPerMs / 1000);
  }
}

/** What a store may come to hold: its budget, or what the disk has left for it. */
export function limitBytes(
  usedBytes: number,
  freeBytes: number,
  budget: { bytes: number | undefined; minFreeBytes: number } | undefined,
): number {
  const { bytes = Infinity, minFreeBytes = 0 } = budget ?? {};
  return Math.min(bytes, usedBytes + Math.max(0, freeBytes - minFreeBytes));
}
