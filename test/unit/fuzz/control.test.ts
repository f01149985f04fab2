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
import { SEED, SeededRandom } from '../../support/random.ts';

const ROUNDS = process.env['HELICORDER_SOAK'] ? 300_000 : 5_000;
const EXTREMES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const events = encodeEventList([bytes('one'), bytes(''), bytes('three')]);
const frames = [
  encodeFrame({ id: 1, type: 'open', stream: 'a/b', writer: 'w' }),
  encodeFrame({ id: 2, type: 'append', run: 3 }, events),
  encodeFrame({ id: 3, type: 'remove', stream: 'a/b' }),
  encodeFrame({ id: 4, type: 'status' }),
  encodeFrame({ id: 5, type: 'end', run: 3 }),
];

/** One to four of: a bit, a cut, a splice of another, a length at an extreme. */
function mutated(random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
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

function lawful(decode: (input: Uint8Array) => unknown, corpus: readonly Uint8Array[]): void {
  const random = new SeededRandom(SEED);
  const seen = { returned: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const input = mutated(random, corpus);
    try {
      decode(input);
      seen.returned++;
    } catch (error) {
      const where = `${Buffer.from(input).toString('hex')}, HELICORDER_SEED=${SEED}: ${error}`;
      expect(error instanceof HelicorderError && error.code, where).toBe('PROTOCOL');
      seen.refused++;
    }
  }
  expect(Math.min(seen.returned, seen.refused), 'both ways were taken').toBeGreaterThan(0);
}

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
  lawful((input) => framesOf(input), frames);
});

it.each([
  ['a request', parseRequest],
  ['a reply', parseReply],
  ['a hello', parseHello],
])('%s, whatever a frame says', (_, parse) => {
  const heads = frames.map((frame) => framesOf(frame)[0]!.head);
  const random = new SeededRandom(SEED);
  const odd: unknown[] = [null, -1, 1e300, '', 'x'.repeat(999), [], {}, true, 'append'];
  for (let round = 0; round < ROUNDS; round++) {
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
  lawful(decodeEventList, [events, encodeEventList([]), encodeEventList([bytes('x'.repeat(300))])]);
});
