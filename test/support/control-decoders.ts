/** Every decoder of what any process may send to the control socket, and of what one answers. */
import { expect } from 'vitest';
import { CONTROL_FRAME_MAX_BYTES } from '../../engine/base/constants.ts';
import { FrameDecoder, parseJson, type Frame } from '../../engine/control/frame.ts';
import {
  decodeEventList,
  parseHello,
  parseReply,
  parseReport,
  parseRequest,
} from '../../engine/control/protocol.ts';
import type { Decoder } from './fuzz.ts';

const codes = ['PROTOCOL'] as const;
const NOTHING = new Uint8Array(0);
const WORDS = [
  ...['null', '-1', '1e300', '""', '[]', '{}', 'true', '"id":', '"type":', '"append"', '"x/y"'],
  ...['"9007199254740993"', `"${'x'.repeat(999)}"`, '"__proto__":', '"toString"'],
];

export const CONTROL_DECODERS: readonly Decoder[] = [
  { name: 'control-frames', decode: (input) => framesOf(input), codes },
  message('control-hello', parseHello),
  message('control-request', parseRequest),
  message('control-reply', parseReply),
  {
    name: 'control-report',
    decode: (payload) => parseReport({ head: undefined, payload }),
    ...{ codes, words: WORDS, extension: 'json' },
  },
  { name: 'control-events', decode: decodeEventList, codes },
];

function message(name: string, parse: (frame: Frame) => unknown): Decoder {
  const decode = (input: Uint8Array): unknown =>
    parse({ head: parseJson(input), payload: NOTHING });
  return { name, decode, codes, words: WORDS, extension: 'json' };
}

/** All frames of an input that arrives at once; what room is made for is bounded. */
export function framesOf(input: Uint8Array): Frame[] {
  const decoder = new FrameDecoder();
  const found: Frame[] = [];
  decoder.push(input);
  for (let steps = 0; ; steps++) {
    expect(steps).toBeLessThanOrEqual(2 * input.length + 2);
    const frame = decoder.next();
    if (frame) found.push(frame);
    else if (decoder.wanted === 0) return found;
    expect(decoder.wanted).toBeLessThanOrEqual(CONTROL_FRAME_MAX_BYTES);
    // room is made for what can come: the rest of such a frame never does
    if (decoder.wanted > input.length) return found;
    if (decoder.wanted > 0) decoder.admit();
  }
}
