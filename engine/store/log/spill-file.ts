/** Where a spill lies, and what tells it from a segment (`engine/store/write/spill.ts`). */

/** The segment number in every spill. */
export const SPILL_SEGMENT = 1;

export function spillPath(dir: string, name: string): string {
  return `${dir}/${name}.spill`;
}

export function saltOf(name: string): bigint {
  return BigInt(`0x${name}`);
}
