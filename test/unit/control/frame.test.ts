import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { CONTROL_FRAME_MAX_BYTES } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { FrameDecoder, encodeFrame, type Frame } from '../../../engine/control/frame.ts';
import {
  decodeEventList,
  encodeEventList,
  encodeHead,
  parseHello,
  parseReply,
  parseRequest,
} from '../../../engine/control/protocol.ts';
import { SEED } from '../../support/random.ts';

const RUNS = { seed: SEED, numRuns: 300 };

/** All frames in the pieces, with room for everything. */
function decodeAll(pieces: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (;;) {
      const frame = decoder.next();
      if (frame) frames.push(frame);
      else if (decoder.wanted > 0) decoder.admit();
      else break;
    }
  }
  return frames;
}

/** Cuts bytes at arbitrary places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof HelicorderError) return error.code;
    throw error;
  }
}

const heads = fc.dictionary(fc.string({ maxLength: 10 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 4,
});

describe('frames', () => {
  test('come out as they went in, however the bytes arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(heads, fc.uint8Array({ maxLength: 300 })), { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, places) => {
          const bytes = Buffer.concat(frames.map(([head, payload]) => encodeFrame(head, payload)));
          const found = decodeAll(cut(bytes, places));
          const asSent = (head: unknown): unknown => JSON.parse(JSON.stringify(head));
          expect(found.map(({ head }) => head)).toEqual(frames.map(([head]) => asSent(head)));
          expect(found.map(({ payload }) => [...payload])).toEqual(
            frames.map(([, payload]) => [...payload]),
          );
        },
      ),
      RUNS,
    );
  });

  test('any bytes are frames, wait for more, or are refused as PROTOCOL', () => {
    const small = fc.uint8Array({ maxLength: 400 });
    const plausible = fc
      .tuple(fc.nat({ max: 60 }), fc.nat({ max: 70 }), fc.uint8Array({ maxLength: 64 }))
      .map(([length, headLength, rest]) => {
        const bytes = new Uint8Array(6 + rest.length);
        new DataView(bytes.buffer).setUint32(0, length, true);
        new DataView(bytes.buffer).setUint16(4, headLength, true);
        bytes.set(rest, 6);
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(small, plausible), fc.array(fc.nat(), { maxLength: 5 }), (all, at) => {
        expect([undefined, 'PROTOCOL']).toContain(codeOf(() => decodeAll(cut(all, at))));
      }),
      RUNS,
    );
  });

  it('take no memory before there is room for them', () => {
    const decoder = new FrameDecoder();
    decoder.push(encodeFrame({ type: 'x' }, new Uint8Array(1_000_000)));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.wanted).toBe(1_000_000 + 2 + '{"type":"x"}'.length);
    expect(decoder.next()).toBeUndefined();
    decoder.admit();
    expect(decoder.next()?.payload).toHaveLength(1_000_000);
    expect(decoder.isPartial).toBe(false);
  });

  it.each([0, 1, CONTROL_FRAME_MAX_BYTES + 1, 2 ** 30, 2 ** 32 - 1])(
    'of %d bytes are refused',
    (length) => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, length, true);
      expect(codeOf(() => decodeAll([bytes]))).toBe('PROTOCOL');
    },
  );
});

describe('messages', () => {
  const frame = (head: unknown): Frame => ({ head, payload: new Uint8Array(0) });

  test('anything that is not one is refused as PROTOCOL', () => {
    const kinds = ['open', 'append', 'end', 'remove', 'set-cursor', 'remove-cursor', 'status'];
    const almost = fc.record(
      {
        type: fc.oneof(fc.constantFrom(...kinds), fc.string()),
        id: fc.anything(),
        run: fc.anything(),
        stream: fc.oneof(fc.constant('a/b'), fc.anything()),
        name: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), almost), (head) => {
        for (const parse of [parseHello, parseRequest, parseReply]) {
          expect([undefined, 'PROTOCOL']).toContain(codeOf(() => parse(frame(head))));
        }
      }),
      RUNS,
    );
  });

  it('counters travel as quoted strings up to 2^53 − 1', () => {
    const head = encodeHead({ type: 'append', id: 1, run: Number.MAX_SAFE_INTEGER });
    expect(head).toEqual({ type: 'append', id: 1, run: '9007199254740991' });
    expect(parseRequest(frame(head))).toEqual({ type: 'append', id: 1, run: 2 ** 53 - 1 });
    const beyond = { type: 'append', id: 1, run: '9007199254740992' };
    expect(codeOf(() => parseRequest(frame(beyond)))).toBe('PROTOCOL');
    expect(codeOf(() => parseRequest(frame({ type: 'append', id: 1, run: 5 })))).toBe('PROTOCOL');
  });

  it('a key that nobody knows is refused', () => {
    const head = { type: 'status', id: 1, colour: 'red' };
    expect(codeOf(() => parseRequest(frame(head)))).toBe('PROTOCOL');
  });

  it('the versions that are known are spoken, others are refused', () => {
    const hello = (version: number) =>
      codeOf(() => parseHello(frame({ type: 'hello', protocol: 'helicorder-control', version })));
    expect([0, 1, 2, 3].map(hello)).toEqual(['PROTOCOL', undefined, undefined, 'PROTOCOL']);
  });
});

describe('event lists', () => {
  test('come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1 }), (events) => {
        const found = decodeEventList(encodeEventList(events));
        expect(found.map((event) => [...event])).toEqual(events.map((event) => [...event]));
      }),
      RUNS,
    );
  });

  test('any bytes are a list, or refused as PROTOCOL', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect([undefined, 'PROTOCOL']).toContain(codeOf(() => decodeEventList(bytes)));
      }),
      RUNS,
    );
  });
});
