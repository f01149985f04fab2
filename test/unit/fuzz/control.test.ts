/**
 * What any process may send to the control socket, mutated from a seed: a decoder returns, or
 * throws a HelicorderError of the documented code; nothing else, and it asks for no more memory
 * than a frame may take.
 */
import { expect, it } from 'vitest';
import { CONTROL_FRAME_MAX_BYTES } from '../../../engine/base/constants.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { FrameDecoder, encodeFrame, type Frame } from '../../../engine/control/frame.ts';
import {
  decodeEventList,
  encodeEventList,
  parseHello,
  parseReply,
  parseRequest,
} from '../../../engine/control/protocol.ts';
import { FUZZ_ROUNDS, lawful } from '../../support/fuzz.ts';
import { SEED, SeededRandom } from '../../support/random.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const events = encodeEventList([bytes('one'), bytes(''), bytes('three')]);
const frames = [
  encodeFrame({ id: 1, type: 'open', stream: 'a/b', writer: 'w' }),
  encodeFrame({ id: 2, type: 'append', run: 3 }, events),
  encodeFrame({ id: 3, type: 'remove', stream: 'a/b' }),
  encodeFrame({ id: 4, type: 'status' }),
  encodeFrame({ id: 5, type: 'end', run: 3 }),
];

function framesOf(input: Uint8Array): Frame[] {
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

it('frames of the control socket, whatever arrives', () => {
  lawful((input) => framesOf(input), frames, 'PROTOCOL');
});

it.each([
  ['a request', parseRequest],
  ['a reply', parseReply],
  ['a hello', parseHello],
])('%s, whatever a frame says', (_, parse) => {
  const heads = frames.map((frame) => framesOf(frame)[0]!.head);
  const random = new SeededRandom(SEED);
  const odd: unknown[] = [null, -1, 1e300, '', 'x'.repeat(999), [], {}, true, 'append'];
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const head = { ...(heads[random.below(heads.length)] as Record<string, unknown>) };
    const keys = Object.keys(head);
    head[keys[random.below(keys.length)]!] = odd[random.below(odd.length)];
    try {
      parse({ head, payload: new Uint8Array(0) });
    } catch (error) {
      const where = `${JSON.stringify(head)}: ${error}`;
      expect(error instanceof HelicorderError && error.code, where).toBe('PROTOCOL');
    }
  }
});

it('a list of events, whatever arrives', () => {
  lawful(decodeEventList, [events, encodeEventList([bytes('x'.repeat(300))])], 'PROTOCOL');
});
