import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../engine/base/crc32c.ts';
import { crc32cByDefinition } from '../../support/crc32c.ts';

describe('crc32c', () => {
  it('gives the published check values', () => {
    // "check" of CRC-32/ISCSI in the catalogue of parametrised CRCs, and RFC 3720, B.4
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('agrees with the definition at every length around its lanes, wherever memory begins', () => {
    const memory = Uint8Array.from({ length: 30_000 }, (_, i) => (i * 2654435761) >>> 13);
    const lengths = [0, 1, 7, 8, 9, 767, 768, 769, 1535, 1536, 12_287, 12_288, 12_289, 25_000];
    for (const length of lengths) {
      for (const start of [0, 1, 5]) {
        const bytes = memory.subarray(start, start + length);
        expect(crc32c(bytes), `${length} bytes from ${start}`).toBe(crc32cByDefinition(bytes));
      }
    }
  });

  it('continues: the CRC of two parts is that of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(5000), (bytes, where) => {
        const cut = Math.min(where, bytes.length);
        const joined = crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)));
        expect(joined).toBe(crc32cByDefinition(bytes));
      }),
    );
  });
});
