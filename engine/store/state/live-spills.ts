import { spillEntry, spilledEntry } from '../entries/spill-entry.ts';
import { KIND } from '../entries/format.ts';
import { part, type SnapshotPart } from '../entries/snapshot-part.ts';

/** Spills that the log names and no chunk holds, as a part of the control state. */
export class LiveSpills {
  readonly #segments = new Map<string, number>();

  has(name: string): boolean {
    return this.#segments.has(name);
  }

  /** @param segment in which the entry stands */
  take(payload: Uint8Array, segment: number): void {
    this.#segments.set(spillEntry.decode(payload).name, segment);
  }

  /** As a snapshot says it. */
  takeAgain(payload: Uint8Array): void {
    const { name, segment } = spilledEntry.decode(payload);
    this.#segments.set(name, segment);
  }

  /** Chunks hold everything before segment `end`. */
  sealed(end: number): void {
    for (const [name, segment] of this.#segments) {
      if (segment < end) this.#segments.delete(name);
    }
  }

  /** As entries of a snapshot. */
  parts(): SnapshotPart[] {
    return [...this.#segments].map(([name, segment]) =>
      part(KIND.spilled, spilledEntry.encode({ name, segment })),
    );
  }
}
