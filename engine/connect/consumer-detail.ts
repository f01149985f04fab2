/** What the cursor of a consumer keeps beside its offset: whose commit it was, and the state. */
import * as z from 'zod';
import { HelicorderError } from '../base/errors.ts';
import { quotedCounter } from '../base/quoted.ts';
import { CURSOR_DETAIL_MAX_CHARACTERS } from '../control/protocol.ts';

export interface ConsumerDetail {
  /** the consumer, hex */
  by: string;
  /** number of its commit, from 1 */
  commit: number;
  /** JSON; undefined: none */
  state: unknown;
}

const detail = z.strictObject({
  kind: z.literal('consumer'),
  by: z.string(),
  commit: quotedCounter,
  state: z.unknown().optional(),
});

/** Of a head's 8192 bytes, what names and numbers leave to a state. */
const HEAD_ROOM_BYTES = 7000;

/** @throws USAGE for a state that is no JSON, or too long */
export function encodeConsumerDetail(facts: ConsumerDetail): string {
  const text = jsonOf(facts);
  checkLength(text);
  return text;
}

function jsonOf({ by, commit, state }: ConsumerDetail): string {
  try {
    return JSON.stringify({ kind: 'consumer', by, commit: String(commit), state });
  } catch (error) {
    throw new HelicorderError('USAGE', 'a state that is no JSON', { cause: error });
  }
}

/** It travels as text in the head of a frame. */
function checkLength(text: string): void {
  const isShort = text.length <= CURSOR_DETAIL_MAX_CHARACTERS;
  if (isShort && Buffer.byteLength(JSON.stringify(text)) <= HEAD_ROOM_BYTES) return;
  throw new HelicorderError(
    'USAGE',
    `a state of ${text.length} characters: a cursor keeps at most ` +
      `${CURSOR_DETAIL_MAX_CHARACTERS}, ${HEAD_ROOM_BYTES} bytes`,
  );
}

/** @returns the state. @throws USAGE if the cursor is somebody else's */
export function decodeConsumerDetail(name: string, text: string): unknown {
  const { data } = detail.safeParse(parsed(text));
  if (data !== undefined) return data.state;
  throw new HelicorderError('USAGE', `cursor ${name} is not a consumer's; choose another name`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
