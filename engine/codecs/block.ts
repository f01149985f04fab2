/**
 * Blocks of up to 128 integers, as codecs 2–4 use them: the smallest value as base, the rest as
 * unsigned distances of w bits; distances that need more keep their high bits as patches (PFOR:
 * Zukowski et al., "Super-Scalar RAM-CPU Cache Compression", 2006).
 *
 * This is the reference, written to be read; `native/src/codecs.cc` gives the same bytes faster.
 */
import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { BLOCK_VALUES } from './column.ts';

const PATCHED = 0x80;
const PATCHES_MAX = 127;

interface Packing {
  width: number;
  /** width of the patches' high parts; 0: no patches */
  patchWidth: number;
}

export function encodeBlocks(writer: ByteWriter, values: BigInt64Array): void {
  for (let at = 0; at < values.length; at += BLOCK_VALUES) {
    encodeBlock(writer, values.subarray(at, at + BLOCK_VALUES));
  }
}

/** Fills `values`; what is left in the reader afterwards is the caller's. */
export function decodeBlocks(reader: ByteReader, values: BigInt64Array): void {
  for (let at = 0; at < values.length; at += BLOCK_VALUES) {
    decodeBlock(reader, values.subarray(at, at + BLOCK_VALUES));
  }
}

function encodeBlock(writer: ByteWriter, values: BigInt64Array): void {
  const base = values.reduce((least, value) => (value < least ? value : least));
  const distances = Array.from(values, (value) => BigInt.asUintN(64, value - base));
  const { width, patchWidth } = shortestPacking(distances);
  writer.u8(width | (patchWidth > 0 ? PATCHED : 0));
  writer.svarint(base);
  pack(writer, distances, width);
  if (patchWidth === 0) return;
  const positions = [...distances.keys()].filter((i) => distances[i]! >> BigInt(width) > 0n);
  writer.u8(positions.length);
  writer.u8(patchWidth);
  for (const position of positions) writer.u8(position);
  pack(
    writer,
    positions.map((position) => distances[position]! >> BigInt(width)),
    patchWidth,
  );
}

/** The shortest; of equally short ones the one without patches, then the one of least width. */
function shortestPacking(distances: bigint[]): Packing {
  const wider = new Array<number>(65).fill(0); // distances of more than w bits
  let widest = 0;
  for (const distance of distances) {
    const bits = distance === 0n ? 0 : distance.toString(2).length;
    for (let w = 0; w < bits; w++) wider[w]!++;
    widest = Math.max(widest, bits);
  }
  let best = { width: widest, patchWidth: 0 };
  let bestBytes = packedBytes(distances.length, widest);
  for (let width = 0; width < widest; width++) {
    const patches = wider[width]!;
    if (patches > PATCHES_MAX) continue;
    const patchWidth = widest - width;
    const head = packedBytes(distances.length, width) + 2 + patches;
    const bytes = head + packedBytes(patches, patchWidth);
    if (bytes < bestBytes) [best, bestBytes] = [{ width, patchWidth }, bytes];
  }
  return best;
}

function packedBytes(count: number, width: number): number {
  return Math.ceil((count * width) / 8);
}

/** The low `width` bits of each value, LSB first. */
function pack(writer: ByteWriter, values: bigint[], width: number): void {
  let [bits, held] = [0n, 0];
  for (const value of values) {
    bits |= BigInt.asUintN(width, value) << BigInt(held);
    for (held += width; held >= 8; held -= 8) {
      writer.u8(Number(bits & 0xffn));
      bits >>= 8n;
    }
  }
  if (held > 0) writer.u8(Number(bits));
}

function unpack(reader: ByteReader, count: number, width: number): bigint[] {
  const bytes = reader.take(packedBytes(count, width));
  const values: bigint[] = [];
  let [bits, held, at] = [0n, 0, 0];
  for (let i = 0; i < count; i++) {
    for (; held < width; held += 8) bits |= BigInt(bytes[at++]!) << BigInt(held);
    values.push(BigInt.asUintN(width, bits));
    bits >>= BigInt(width);
    held -= width;
  }
  return values;
}

function decodeBlock(reader: ByteReader, values: BigInt64Array): void {
  const head = reader.u8();
  const width = head & ~PATCHED;
  if (width > 64) throw reader.fail(`values of ${width} bits`);
  const base = reader.svarint();
  const distances = unpack(reader, values.length, width);
  if (head & PATCHED) addPatches(reader, distances, width);
  // storing into a BigInt64Array is modulo 2^64
  distances.forEach((distance, i) => (values[i] = base + distance));
}

function addPatches(reader: ByteReader, distances: bigint[], width: number): void {
  const patches = reader.u8();
  const patchWidth = reader.u8();
  if (patches < 1 || patches > PATCHES_MAX) throw reader.fail(`${patches} patches`);
  if (patchWidth < 1 || width + patchWidth > 64) throw reader.fail('patches of a wrong width');
  const positions = reader.take(patches);
  const highs = unpack(reader, patches, patchWidth);
  let previous = -1;
  positions.forEach((position, i) => {
    if (position <= previous || position >= distances.length) {
      throw reader.fail('patches out of order');
    }
    previous = position;
    distances[position]! |= highs[i]! << BigInt(width);
  });
}
