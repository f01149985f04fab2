/**
 * Static rANS: a token of probability p costs −log2 p bits, also where that is far below one bit
 * (Duda, "Asymmetric numeral systems", 2013; the variant with 32 bits of state, 16-bit words).
 *
 * The state is a number of at least 2^16. Coding a token of frequency f (in 4096ths) multiplies it
 * by 4096 / f and hides in it which of the token's f slots it has; decoding looks at the state
 * modulo 4096, which names a slot, hence the token, and undoes it. Words go in and out to keep it
 * in 32 bits. What comes out is in reverse: encoders begin with the last token.
 *
 * This is the reference, written to be read; `native/src/rans.h` gives the same bytes faster.
 */
import type { ByteReader, ByteWriter } from '../base/bytes.ts';

const SCALE_BITS = 12;
const SCALE = 2 ** SCALE_BITS;
const WORD = 2 ** 16;
/** The state is never less between two tokens; a decoder ends with it. */
const STATE_LEAST = 2 ** 16;

/** Numbers of a context's tokens in 4096ths (their sum is 4096), and the sums before each. */
export class Frequencies {
  readonly of: Uint16Array;
  readonly starts: Uint16Array;

  constructor(of: Uint16Array) {
    let sum = 0;
    this.of = of;
    this.starts = of.map((frequency) => (sum += frequency) - frequency);
  }

  /** What comes at all keeps at least 1. Without any count: token 0 only. */
  static fromCounts(counts: Uint32Array): Frequencies {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const of = new Uint16Array(counts.length);
    counts.forEach((count, token) => {
      if (count > 0) of[token] = Math.max(1, Math.floor((2 * count * SCALE + total) / (2 * total)));
    });
    // what rounding left over or took too much is least felt where there is most
    const most = (): number => of.indexOf(Math.max(...of));
    let rest = of.reduce((left, frequency) => left - frequency, SCALE);
    if (rest > 0) of[most()]! += rest;
    for (; rest < 0; rest++) of[most()]!--;
    return new Frequencies(of);
  }

  /** Each a varint, up to the one that makes the sum 4096; after a 0: how many more there are. */
  static read(reader: ByteReader, tokens: number): Frequencies {
    const of = new Uint16Array(tokens);
    let left = SCALE;
    for (let token = 0; left > 0; token++) {
      if (token >= tokens) throw reader.fail('frequencies of too many tokens');
      const frequency = reader.count();
      if (frequency > left) throw reader.fail('frequencies of more than 4096');
      of[token] = frequency;
      left -= frequency;
      if (frequency === 0) token += reader.count();
    }
    return new Frequencies(of);
  }

  write(writer: ByteWriter): void {
    const last = this.of.findLastIndex((frequency) => frequency > 0);
    for (let token = 0; token <= last; token++) {
      writer.varint(this.of[token]!);
      if (this.of[token] !== 0) continue;
      const first = token;
      while (this.of[token + 1] === 0) token++;
      writer.varint(token - first);
    }
  }

  /** What coding this many of each token takes: 256ths of a bit, rounded. */
  cost(counts: Uint32Array): number {
    return counts.reduce((cost, count, token) => {
      if (count === 0) return cost;
      return cost + count * Math.round(256 * (SCALE_BITS - Math.log2(this.of[token]!)));
    }, 0);
  }

  tokenAt(slot: number): number {
    return this.starts.findLastIndex((start, token) => start <= slot && this.of[token]! > 0);
  }
}

/** Takes tokens from the last to the first. */
export class RansEncoder {
  #state = STATE_LEAST;
  readonly #words: number[] = [];

  put(token: number, { of, starts }: Frequencies): void {
    const frequency = of[token]!;
    if (this.#state >= frequency * (2 ** 32 / SCALE)) {
      this.#words.push(this.#state % WORD);
      this.#state = Math.floor(this.#state / WORD);
    }
    const quotient = Math.floor(this.#state / frequency);
    this.#state = quotient * SCALE + (this.#state % frequency) + starts[token]!;
  }

  /** varint number of words, u32 state, the words: the last one made comes first. */
  finish(writer: ByteWriter): void {
    writer.varint(this.#words.length);
    const bytes = new DataView(new ArrayBuffer(4 + 2 * this.#words.length));
    bytes.setUint32(0, this.#state, true);
    this.#words.reverse().forEach((word, i) => bytes.setUint16(4 + 2 * i, word, true));
    writer.put(new Uint8Array(bytes.buffer));
  }
}

export class RansDecoder {
  readonly #reader: ByteReader;
  readonly #words: DataView;
  #state: number;
  #at = 0;

  constructor(reader: ByteReader) {
    const words = reader.count();
    const state = reader.take(4);
    if (words > reader.left / 2) throw reader.fail(`${words} words announced, too few bytes`);
    const bytes = reader.take(2 * words);
    this.#reader = reader;
    this.#state = new DataView(state.buffer, state.byteOffset, 4).getUint32(0, true);
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get(frequencies: Frequencies): number {
    const slot = this.#state % SCALE;
    const token = frequencies.tokenAt(slot);
    const frequency = frequencies.of[token]!;
    this.#state = frequency * Math.floor(this.#state / SCALE) + slot - frequencies.starts[token]!;
    if (this.#state >= STATE_LEAST) return token;
    if (this.#at === this.#words.byteLength) throw this.#reader.fail('tokens without their words');
    this.#state = this.#state * WORD + this.#words.getUint16(this.#at, true);
    this.#at += 2;
    return token;
  }

  /** Every word was used, and the state is what encoders begin with. */
  end(): void {
    if (this.#at === this.#words.byteLength && this.#state === STATE_LEAST) return;
    throw this.#reader.fail('tokens that do not end as they should');
  }
}
