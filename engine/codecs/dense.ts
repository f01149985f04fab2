/**
 * Codecs 8–10: values, differences, differences of differences, in as few bytes as a table of
 * frequencies gets them to. For columns that are kept for years and written once: the chunks'. The
 * log does not use them, it only reads them like every reader.
 *
 *   value ─▶ distance from the base ─▶ zigzag ─▶ token ── rANS, by the context's frequencies
 *                                            └─▶ raw bits, as they are
 *
 * A number of up to 15 is its own token. Of a larger one the token says how many bits it has, its
 * two bits below the highest and its lowest, the sign; what lies between is noise in most signals.
 * So there are no outliers to be treated apart, and no width to be chosen. The **context** of a
 * value is the magnitude of the one before it, for signals that are quiet and lively by turns; an
 * encoder takes eight of them where they save more than their tables need.
 *
 * This is the reference, written to be read; `native/src/dense.cc` gives the same bytes faster.
 */
import { ByteReader, ByteWriter, unzigzag, zigzag } from '../base/bytes.ts';
import { CODEC } from './column.ts';
import type { EncodedColumn, IntegerCodec } from './column.ts';
import { differencesOf, sumUp } from './delta-pfor.ts';
import { Frequencies, RansDecoder, RansEncoder } from './rans.ts';

const PLAIN_TOKENS = 16;
const CONTEXTS = 8;
const SAMPLE_MAX_VALUES = 512;
const COST_OF_BYTE = 8 * 256;

interface Token {
  /** the number it stands for, its raw bits 0 */
  number: bigint;
  rawBits: number;
  /** of the value that follows */
  context: number;
}

const TOKENS: readonly Token[] = Array.from({ length: PLAIN_TOKENS + 60 * 8 }, (_, token) => {
  const n = token < PLAIN_TOKENS ? 3 : 4 + Math.floor((token - PLAIN_TOKENS) / 8);
  const top = BigInt(4 + ((token >> 1) & 3));
  const large = (top << BigInt(n - 2)) | BigInt(token & 1);
  const number = token < PLAIN_TOKENS ? BigInt(token) : large;
  const context = Math.min(CONTEXTS - 1, (bitWidth(number) + 1) >> 1);
  return { number, rawBits: n - 3, context };
});

export const rans = codecOfOrder(0, CODEC.rans, 'rans');
export const deltaRans = codecOfOrder(1, CODEC.deltaRans, 'delta-rans');
export const delta2Rans = codecOfOrder(2, CODEC.delta2Rans, 'delta2-rans');

/** What is coded, and how; the cost is in 256ths of a bit. */
interface Plan {
  codec: number;
  firsts: bigint[];
  base: bigint;
  numbers: BigUint64Array;
  contexts: number;
  cost: number;
}

/** The cheapest of all; of equally cheap ones that of the lowest order with the fewest contexts. */
export function encodeDenseReference(values: BigInt64Array): EncodedColumn {
  const orders = [0, 1, 2].filter((order) => order === 0 || values.length > order);
  const plans = orders.flatMap((order) => plansFor(values, order));
  const plan = cheapest(plans);
  return { codec: plan.codec, bytes: encodePlan(plan) };
}

function codecOfOrder(order: number, id: number, name: string): IntegerCodec {
  return {
    id,
    name,
    encode(values) {
      if (values.length < order) return undefined;
      return encodePlan(cheapest(plansFor(values, order)));
    },
    decode(bytes, values) {
      const reader = new ByteReader(bytes, `${name} column`);
      if (values.length < order) throw reader.fail(`a column of ${values.length} values`);
      for (let i = 0; i < order; i++) values[i] = reader.svarint();
      if (values.length > order) decodeNumbers(reader, values.subarray(order));
      reader.end();
      sumUp(values, order);
    },
  };
}

function cheapest(plans: Plan[]): Plan {
  return plans.reduce((best, plan) => (plan.cost < best.cost ? plan : best));
}

function plansFor(values: BigInt64Array, order: number): Plan[] {
  const firsts: bigint[] = [];
  let rest = values;
  for (let i = 0; i < order; i++) {
    firsts.push(rest[0]!);
    rest = differencesOf(rest);
  }
  const base = baseOf(rest);
  const numbers = BigUint64Array.from(rest, (value) => zigzag(value - base));
  const head = new ByteWriter();
  for (const value of [...firsts, base]) head.svarint(value);
  return [1, CONTEXTS].map((contexts) => {
    const cost = head.length * COST_OF_BYTE + costOf(countTokens(numbers, contexts));
    return { codec: CODEC.rans + order, firsts, base, numbers, contexts, cost };
  });
}

/** The middle one of a sample: what most values equal, if there is such a one. */
function baseOf(values: BigInt64Array): bigint {
  const step = Math.ceil(values.length / SAMPLE_MAX_VALUES);
  const sample = values.filter((_, i) => i % step === 0).sort();
  return sample[sample.length >> 1] ?? 0n;
}

function tokenOf(number: bigint): number {
  if (number < PLAIN_TOKENS) return Number(number);
  const n = bitWidth(number) - 1;
  const top = Number((number >> BigInt(n - 2)) & 3n);
  return PLAIN_TOKENS + (n - 4) * 8 + top * 2 + Number(number & 1n);
}

function bitWidth(number: bigint): number {
  return number === 0n ? 0 : number.toString(2).length;
}

/** How often each token comes in each context. */
function countTokens(numbers: BigUint64Array, contexts: number): Uint32Array[] {
  const counts = Array.from({ length: contexts }, () => new Uint32Array(TOKENS.length));
  let context = 0;
  for (const number of numbers) {
    const token = tokenOf(number);
    counts[context]![token]!++;
    context = contexts === 1 ? 0 : TOKENS[token]!.context;
  }
  return counts;
}

function costOf(counts: Uint32Array[]): number {
  let cost = 0;
  for (const ofContext of counts) {
    const frequencies = Frequencies.fromCounts(ofContext);
    const table = new ByteWriter();
    frequencies.write(table);
    cost += table.length * COST_OF_BYTE + frequencies.cost(ofContext);
    ofContext.forEach((count, token) => (cost += 256 * TOKENS[token]!.rawBits * count));
  }
  return cost;
}

function encodePlan({ firsts, base, numbers, contexts }: Plan): Uint8Array {
  const writer = new ByteWriter();
  for (const first of firsts) writer.svarint(first);
  if (numbers.length === 0) return writer.finish();
  writer.svarint(base);
  writer.u8(contexts);
  const frequencies = countTokens(numbers, contexts).map((counts) =>
    Frequencies.fromCounts(counts),
  );
  for (const ofContext of frequencies) ofContext.write(writer);
  const tokens = Array.from(numbers, tokenOf);
  const encoder = new RansEncoder();
  for (let i = tokens.length - 1; i >= 0; i--) {
    const before = TOKENS[tokens[i - 1] ?? 0]!;
    encoder.put(tokens[i]!, frequencies[contexts === 1 ? 0 : before.context]!);
  }
  encoder.finish(writer);
  putRawBits(writer, numbers, tokens);
  return writer.finish();
}

/** Of each number in turn, LSB first, behind each other. */
function putRawBits(writer: ByteWriter, numbers: BigUint64Array, tokens: number[]): void {
  let [bits, held] = [0n, 0];
  numbers.forEach((number, i) => {
    const { rawBits } = TOKENS[tokens[i]!]!;
    bits |= BigInt.asUintN(rawBits, number >> 1n) << BigInt(held);
    for (held += rawBits; held >= 8; held -= 8, bits >>= 8n) writer.u8(Number(bits & 0xffn));
  });
  if (held > 0) writer.u8(Number(bits));
}

function decodeNumbers(reader: ByteReader, values: BigInt64Array): void {
  const base = reader.svarint();
  const contexts = reader.u8();
  if (contexts !== 1 && contexts !== CONTEXTS) throw reader.fail(`${contexts} contexts`);
  const frequencies = Array.from({ length: contexts }, () =>
    Frequencies.read(reader, TOKENS.length),
  );
  const decoder = new RansDecoder(reader);
  let [context, bits, held] = [0, 0n, 0];
  for (let i = 0; i < values.length; i++) {
    const token = TOKENS[decoder.get(frequencies[context]!)]!;
    for (; held < token.rawBits; held += 8) bits |= BigInt(reader.u8()) << BigInt(held);
    const raw = BigInt.asUintN(token.rawBits, bits);
    bits >>= BigInt(token.rawBits);
    held -= token.rawBits;
    // storing into a BigInt64Array is modulo 2^64
    values[i] = base + unzigzag(token.number | (raw << 1n));
    context = contexts === 1 ? 0 : token.context;
  }
  decoder.end();
}
