/** The corpus itself: what is in it, and that it stays small. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KIB } from '../../../engine/base/constants.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { CONTROL_DECODERS } from '../../support/control-decoders.ts';
import { CORPUS, EXTENDS, addToCorpus, corpusOf } from '../../support/corpus.ts';
import { DISK_DECODERS } from '../../support/disk-decoders.ts';
import { entryDecoder, goldenInputs } from '../../support/golden-inputs.ts';
import { INPUT_DECODERS } from '../../support/input-decoders.ts';
import { madeInputs } from '../../support/made-inputs.ts';

const CORPUS_MAX_BYTES = 300 * KIB;
/** Decoders that only the addon has: `native/test/fuzz_test.cc`. */
const NATIVE_ONLY = ['ring', 'ring-header', 'counter'];

describe('the corpus', () => {
  const files = readdirSync(CORPUS, { recursive: true, withFileTypes: true });

  it('is small', () => {
    const sizes = files
      .filter((file) => file.isFile())
      .map((file) => statSync(join(file.parentPath, file.name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(CORPUS_MAX_BYTES);
  });

  it('has a folder for each decoder, and no other', () => {
    const decoders = [...DISK_DECODERS, ...CONTROL_DECODERS, ...INPUT_DECODERS];
    const names = [...decoders.map(({ name }) => name), ...NATIVE_ONLY];
    expect(readdirSync(CORPUS).sort()).toEqual(names.sort());
  });

  it('has a decoder for each kind of entry', () => {
    const names = new Set(DISK_DECODERS.map(({ name }) => name));
    const missing = Object.keys(KIND).filter((kind) => !names.has(entryDecoder(kind)));
    // one that says all by being there has nothing to be decoded
    expect(missing).toEqual(['partial']);
  });

  it.each([
    ['cut out of the golden files', goldenInputs],
    ['that encoders make', madeInputs],
  ])('has the inputs %s', (what, inputs) => {
    for (const { decoder, name, bytes, ...facts } of inputs()) {
      if (EXTENDS) addToCorpus(decoder, { name, bytes, refused: false, what, ...facts });
      const found = corpusOf(decoder).find((input) => input.name.startsWith(`${name}.`));
      expect(found?.bytes, `${decoder}/${name}`).toEqual(bytes);
    }
  });
});
