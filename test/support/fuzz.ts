/**
 * Seeded mutations of a corpus, and the law every decoder is held to: it returns, or throws a
 * HelicorderError of the documented code; nothing else, and in bounded memory.
 */
import { expect } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import { HelicorderError, type ErrorCode } from '../../engine/base/errors.ts';
import { count } from './counts.ts';
import { SEED, SeededRandom } from './random.ts';

export const FUZZ_ROUNDS = process.env['HELICORDER_SOAK'] ? 300_000 : 3_000;
/** Of what one input makes; the largest that a small one may ask for is 2^20 rows of 8 bytes. */
const MEMORY_MAX_BYTES = 256 * MIB;
const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One to four of: a bit, a cut, a splice of another, a length at an extreme. */
export function mutated(random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  let input = corpus[random.below(corpus.length)]!.slice();
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(Math.max(1, input.length));
    const kind = random.below(4);
    if (kind === 0 && input.length > 0) input[at]! ^= 1 << random.below(8);
    if (kind === 1) input = input.slice(0, at);
    if (kind === 2) {
      const other = corpus[random.below(corpus.length)]!;
      input = Uint8Array.from([...input.subarray(0, at), ...other.subarray(random.below(9))]);
    }
    if (kind === 3 && input.length >= at + 4) {
      const extreme = EXTREMES[random.below(EXTREMES.length)]!;
      new DataView(input.buffer).setUint32(at, extreme, true);
    }
  }
  return input;
}

/** Holds `decode` to the law over mutations of the corpus; `code` is what it may throw. */
export function lawful(
  decode: (input: Uint8Array) => unknown,
  corpus: readonly Uint8Array[],
  code: ErrorCode,
): void {
  const random = new SeededRandom(SEED);
  const seen = { returned: 0, refused: 0 };
  for (const whole of corpus) decode(whole);
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const input = mutated(random, corpus);
    const where = (): string => `${Buffer.from(input).toString('hex')}, HELICORDER_SEED=${SEED}`;
    const before = process.memoryUsage().arrayBuffers;
    try {
      decode(input);
      seen.returned++;
    } catch (error) {
      if (!(error instanceof HelicorderError) || error.code !== code) {
        expect.fail(`${where()}: ${String(error)}`);
      }
      seen.refused++;
    }
    const bytes = process.memoryUsage().arrayBuffers - before;
    if (bytes > MEMORY_MAX_BYTES) expect.fail(`${where()}: ${bytes} bytes`);
  }
  count('fuzzed inputs', FUZZ_ROUNDS);
  expect(Math.min(seen.returned, seen.refused), 'both ways were taken').toBeGreaterThan(0);
}
