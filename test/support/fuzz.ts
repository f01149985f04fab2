/**
 * Seeded mutations of a decoder's corpus, and the law every decoder is held to: it returns, or
 * throws a HelicorderError of the documented code; nothing else, soon, and in bounded memory.
 */
import { getHeapStatistics } from 'node:v8';
import { Script, createContext } from 'node:vm';
import { expect, it } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import { HelicorderError, type ErrorCode } from '../../engine/base/errors.ts';
import { EXTENDS, addToCorpus, corpusOf, keepFailure, type CorpusInput } from './corpus.ts';
import { count } from './counts.ts';
import { minimized } from './minimize.ts';
import { SEED, SeededRandom } from './random.ts';

export const FUZZ_ROUNDS = process.env['HELICORDER_SOAK'] ? 100_000 : 3_000;
/** Of what one input makes, on the heap and beside it. */
const MEMORY_MAX_BYTES = 256 * MIB;
/** Processor time of one input; none is as long as 256 KiB. */
const CPU_MAX_MICROS = 10_000_000;
/** An input that never comes back ends the test, not the run; others may use the machine, too. */
const HANG_MS = process.env['HELICORDER_SOAK'] ? 1_500_000 : 200_000;
const INPUT_MAX_BYTES = 64 * 1024;
/** Reasons of refusal kept of one decoder: some quote their input and have no end of them. */
const REASONS_MAX = 10;
const REASON_WORDS = 8;
const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

export interface Decoder {
  /** what is decoded; its folder in the corpus */
  name: string;
  decode: (input: Uint8Array) => unknown;
  /** what it may throw */
  codes: readonly ErrorCode[];
  /** makes checksums right again, so that what stands behind them is reached */
  reseal?: (input: Uint8Array) => void;
  /** inserted by mutations: what means something to this decoder */
  words?: readonly string[];
  /** extension of its files where the input is text */
  extension?: string;
}

/** One test that holds a decoder to the law. */
export function lawful(decoder: Decoder): void {
  it(decoder.name, () => {
    const corpus = corpusOf(decoder.name);
    expect(corpus.length, `test/corpus/${decoder.name} has inputs`).toBeGreaterThan(0);
    for (const input of corpus) acceptedOrRefused(decoder, input);
    const reasons = new Set(corpus.map(({ bytes }) => reasonOf(decoder, bytes)));
    const refused = unlessItHangs(() => mutate(decoder, corpus, reasons));
    count('fuzzed inputs', FUZZ_ROUNDS + corpus.length);
    expect(refused, 'both ways were taken').toBeGreaterThan(0);
    expect(refused, 'both ways were taken').toBeLessThan(FUZZ_ROUNDS);
  });
}

function acceptedOrRefused(decoder: Decoder, { name, bytes, refused }: CorpusInput): void {
  const error = outcome(decoder, bytes);
  const said = error === undefined ? 'accepted' : `refused: ${error.message}`;
  const where = `test/corpus/${decoder.name}/${name} was ${said}`;
  expect(error !== undefined, where).toBe(refused);
}

/** @returns how many were refused */
function mutate(
  decoder: Decoder,
  corpus: readonly CorpusInput[],
  reasons: Set<string | undefined>,
): number {
  const random = new SeededRandom(SEED);
  const all = corpus.map(({ bytes }) => bytes);
  let refused = 0;
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const input = mutated(random, all, decoder.words);
    if (decoder.reseal && random.below(2) === 0) decoder.reseal(input);
    const error = outcome(decoder, input);
    if (error === undefined) continue;
    refused++;
    if (EXTENDS) keepReason(decoder, input, reasons);
  }
  return refused;
}

/** What it was refused with; undefined: it was accepted. Everything else fails the test. */
function outcome(decoder: Decoder, input: Uint8Array): HelicorderError | undefined {
  const before = resources();
  // a decoder must not need more than the bytes, nor may it change them
  const given = input.slice();
  current = { decoder, input };
  const refusal = refusalOf(decoder, given);
  const after = resources();
  if (Buffer.compare(given, input) !== 0) fail('the input was changed');
  const bytes = after.bytes - before.bytes;
  if (bytes > MEMORY_MAX_BYTES) fail(`${bytes} bytes of memory for ${input.length}`);
  const micros = after.cpuMicros - before.cpuMicros;
  if (micros > CPU_MAX_MICROS) fail(`${micros} µs of a processor for ${input.length} bytes`);
  return refusal;
}

function refusalOf({ decode, codes }: Decoder, input: Uint8Array): HelicorderError | undefined {
  try {
    decode(input);
    return undefined;
  } catch (error) {
    if (error instanceof HelicorderError && codes.includes(error.code)) return error;
    return fail(error instanceof Error ? String(error.stack) : String(error));
  }
}

let current: { decoder: Decoder; input: Uint8Array };

/** Keeps the input and fails the test, with the command that repeats it. */
function fail(what: string): never {
  const { decoder, input } = current;
  const { name, extension } = decoder;
  const command = keepFailure(name, input, { test: name, what, extension });
  expect.fail(`${name}, HELICORDER_SEED=${SEED}: ${what}\nreplay: ${command}`);
}

/** Not `process.memoryUsage()`, which reads a file of /proc: that took as long as the decoders. */
function resources(): { bytes: number; cpuMicros: number } {
  const { external_memory: external, used_heap_size: heapUsed } = getHeapStatistics();
  const { user, system } = process.cpuUsage();
  return { bytes: external + heapUsed, cpuMicros: user + system };
}

/** Runs what might never come back: only from another thread can it be told to end. */
function unlessItHangs<T>(work: () => T): T {
  try {
    return new Script('work()').runInContext(createContext({ work }), { timeout: HANG_MS }) as T;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    return fail(`this input did not come back, or all together not in ${HANG_MS} ms`);
  }
}

/** One to four of: a bit, a cut, a splice of another, a length at an extreme, a piece or a word. */
export function mutated(
  random: SeededRandom,
  corpus: readonly Uint8Array[],
  words: readonly string[] = [],
): Uint8Array {
  let input = Buffer.from(corpus[random.below(corpus.length)]!);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(input.length + 1);
    const kind = random.below(words.length > 0 ? 8 : 6);
    if (kind === 0 && at < input.length) input[at]! ^= 1 << random.below(8);
    if (kind === 1) input = input.subarray(0, at);
    if (kind === 2) {
      const other = corpus[random.below(corpus.length)]!;
      input = Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length))]);
    }
    if (kind === 3 && at + 4 <= input.length) {
      input.writeUInt32LE(EXTREMES[random.below(EXTREMES.length)]!, at);
    }
    const end = Math.min(input.length, at + random.below(32));
    if (kind === 4) input = Buffer.concat([input.subarray(0, at), input.subarray(end)]);
    if (kind === 5) input = Buffer.concat([input.subarray(0, end), input.subarray(at)]);
    if (kind >= 6) {
      const word = Buffer.from(words[random.below(words.length)]!);
      input = Buffer.concat([input.subarray(0, at), word, input.subarray(kind === 6 ? at : end)]);
    }
  }
  return Uint8Array.from(input.subarray(0, INPUT_MAX_BYTES));
}

/** Why an input is refused, without what is only of this input; undefined: it is not. */
function reasonOf(decoder: Decoder, input: Uint8Array): string | undefined {
  const error = outcome(decoder, input);
  if (error === undefined) return undefined;
  const said = error.message.replace(/(SyntaxError|found|did you mean|known:).*/s, '$1');
  const words = said.replaceAll(/"[^"]*"|'[^']*'|[^a-z ]+/gi, ' ').split(/\s+/);
  const told = words.filter((word) => word.length > 1).slice(0, REASON_WORDS);
  return told.join('-').toLowerCase();
}

function keepReason(decoder: Decoder, input: Uint8Array, reasons: Set<string | undefined>): void {
  const reason = reasonOf(decoder, input);
  if (reason === undefined || reasons.has(reason) || reasons.size > REASONS_MAX) return;
  reasons.add(reason);
  const bytes = minimized(input, (shorter) => reasonOf(decoder, shorter) === reason);
  const { extension, name } = decoder;
  const what = outcome(decoder, bytes)?.message ?? '';
  addToCorpus(name, { name: reason, bytes, refused: true, what, extension });
}
