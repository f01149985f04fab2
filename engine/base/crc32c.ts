import { native } from '../../native/index.ts';

/** CRC32C of `bytes`, continuing from `seed` (0 to begin). */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return native.crc32c(bytes, seed);
}
