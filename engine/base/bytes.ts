/**
 * Reading and writing the variable-length parts of the formats (`docs/format-batch.md`): LEB128
 * varints of at most 10 bytes, svarints over the zigzag map, little-endian doubles.
 *
 * The reader is given bytes that anybody may have written. It never reads outside them, and a
 * length or count found in them is checked against what is left before anything is allocated.
 */
import { HelicorderError } from './errors.ts';

const VARINT_MAX_BYTES = 10;
/** Of a varint, as many as a double holds exactly. */
const LOW_BYTES = 7;
const LOW_BITS = 7 * LOW_BYTES;
const LOW_SHIFT = BigInt(LOW_BITS);

/** What is thrown where bytes are not what their format says. */
export function damaged(what: string): HelicorderError {
  return new HelicorderError('DAMAGED', what);
}

/** zigzag: 0, −1, 1, −2 … → 0, 1, 2, 3 …, modulo 2^64. */
export function zigzag(value: bigint): bigint {
  const signed = BigInt.asIntN(64, value);
  return BigInt.asUintN(64, (signed << 1n) ^ (signed >> 63n));
}

export function unzigzag(value: bigint): bigint {
  return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function unhex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** 64 bits without a meaning as a number: 16 hex digits. */
export function hexWord(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what names the bytes in errors, such as `times entry` */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  fail(why: string): HelicorderError {
    return damaged(`${this.#what}: ${why} at byte ${this.#at}`);
  }

  u8(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.fail('ends early');
    this.#at++;
    return byte;
  }

  /** Any unsigned 64-bit number. */
  varint(): bigint {
    // two doubles: a bigint per byte takes more than twice as long
    let low = 0;
    let high = 0;
    let unit = 1;
    for (let i = 0; i < VARINT_MAX_BYTES; i++, unit *= 128) {
      const byte = this.u8();
      if (i === LOW_BYTES) unit = 1;
      if (i < LOW_BYTES) low += (byte & 0x7f) * unit;
      else high += (byte & 0x7f) * unit;
      if (byte >= 0x80) continue;
      if (high === 0) return BigInt(low);
      if (high >= 2 ** (64 - LOW_BITS)) break;
      return (BigInt(high) << LOW_SHIFT) | BigInt(low);
    }
    throw this.fail('a number of more than 64 bits');
  }

  /** A number that the formats keep below 2^53. */
  count(): number {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < VARINT_MAX_BYTES; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
      unit *= 128;
    }
    throw this.fail('a count of more than 53 bits');
  }

  /** The number of items that follow, each of at least `itemBytes`. */
  countOfItems(itemBytes: number): number {
    const count = this.count();
    if (count > this.left / itemBytes) throw this.fail(`${count} items announced, too few bytes`);
    return count;
  }

  svarint(): bigint {
    return unzigzag(this.varint());
  }

  f64(): number {
    const bytes = this.take(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
  }

  /** A view of the next `length` bytes, not a copy. */
  take(length: number): Uint8Array {
    if (length > this.left) throw this.fail(`${length} bytes announced, ${this.left} left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  rest(): Uint8Array {
    return this.take(this.left);
  }

  end(): void {
    if (this.left > 0) throw this.fail(`${this.left} bytes too many`);
  }
}

export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  /** @param room for as many bytes, before it has to grow */
  constructor(room = 256) {
    this.#bytes = new Uint8Array(room);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned, modulo 2^64. */
  varint(value: bigint | number): void {
    this.#reserve(VARINT_MAX_BYTES);
    if (typeof value === 'number') return this.#end(value);
    const wide = BigInt.asUintN(64, value);
    const high = Number(wide >> LOW_SHIFT);
    let low = Number(BigInt.asUintN(LOW_BITS, wide));
    if (high === 0) return this.#end(low);
    for (let i = 0; i < LOW_BYTES; i++) {
      this.#bytes[this.#length++] = (low % 128) | 0x80;
      low = Math.floor(low / 128);
    }
    this.#end(high);
  }

  svarint(value: bigint): void {
    this.varint(zigzag(value));
  }

  f64(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The bytes from `start` up to `end`: few, so one by one, without a view made for them. */
  putPart(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    for (let at = start; at < end; at++) this.#bytes[this.#length++] = bytes[at]!;
  }

  /** What was written so far; the writer is not used after it. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The last bytes of a varint. */
  #end(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
