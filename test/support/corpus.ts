/**
 * `test/corpus/<decoder>/<name>`: inputs that are worth keeping, small and named by what they are.
 *
 *   *.hex          bytes as hex digits; white space does not count, nor what follows a #
 *   anything else  the bytes as they stand
 *   refused-…      must be refused; every other one must be accepted
 *
 * The decoders' tests begin with every input as it is, and mutate them from a seed. What fails is
 * written to a file outside the repository; to replay it is to copy it into the corpus, where it
 * stays once it is understood. `HELICORDER_CORPUS=extend` lets the tests add what is new by
 * themselves: cuttings of the golden files, and one input for each reason of refusal that no other
 * one reaches. The addon's decoders are held to the same files by `native/test/fuzz_test.cc`.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CORPUS = fileURLToPath(new URL('../corpus', import.meta.url));
export const EXTENDS = process.env['HELICORDER_CORPUS'] === 'extend';
const REFUSED = 'refused-';
const LINE_BYTES = 32;

export interface CorpusInput {
  name: string;
  bytes: Uint8Array;
  refused: boolean;
}

/** All inputs of a decoder, in the order of their names. */
export function corpusOf(decoder: string): CorpusInput[] {
  const dir = join(CORPUS, decoder);
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(dir, name));
      const isHex = name.endsWith('.hex');
      return {
        name,
        bytes: isHex ? fromHex(bytes.toString()) : Uint8Array.from(bytes),
        refused: name.startsWith(REFUSED),
      };
    });
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/#.*|\s/g, ''), 'hex'));
}

/** @param what a comment: where the bytes come from, or how they are refused */
function toHex(bytes: Uint8Array, what: string): string {
  const digits = Buffer.from(bytes).toString('hex');
  const lines = digits.match(new RegExp(`.{1,${2 * LINE_BYTES}}`, 'g')) ?? [];
  // the first line, without the paths of this machine
  const [reason = ''] = what.replaceAll(/\/\S+/g, '…').split('\n');
  return [`# ${reason}`, ...lines, ''].join('\n');
}

export interface NewInput {
  /** without the extension */
  name: string;
  bytes: Uint8Array;
  refused: boolean;
  what: string;
  /** of the file where the input is text; undefined: bytes */
  extension?: string | undefined;
}

/** Adds an input to the corpus, unless there is one of this name. */
export function addToCorpus(decoder: string, input: NewInput): void {
  const dir = join(CORPUS, decoder);
  mkdirSync(dir, { recursive: true });
  const path = join(dir, fileName(input));
  if (!existsSync(path)) writeFileSync(path, contentOf(input));
}

/**
 * Keeps an input that has failed.
 * @returns the one command that replays it
 */
export function keepFailure(
  decoder: string,
  bytes: Uint8Array,
  facts: { test: string; what: string; extension?: string | undefined },
): string {
  const dir = join(tmpdir(), 'helicorder-fuzz', decoder);
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  const input = { name: digest, bytes, refused: true, ...facts };
  mkdirSync(dir, { recursive: true });
  const path = join(dir, fileName(input));
  writeFileSync(path, contentOf(input));
  return `cp ${path} test/corpus/${decoder}/ && npx vitest run test/unit/fuzz -t '${facts.test}'`;
}

function fileName({ name, refused, extension = 'hex' }: NewInput): string {
  return `${refused ? REFUSED : ''}${name}.${extension}`;
}

function contentOf({ bytes, what, extension }: NewInput): string | Uint8Array {
  return extension === undefined ? toHex(bytes, what) : bytes;
}
