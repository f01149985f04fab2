/**
 * Messages of the control socket, version 2 (`docs/format-control.md` has the conversation):
 *
 *   request  := hello | open | append | end | trim | remove | set-cursor | remove-cursor
 *             | pin | status | reload | yield | transaction
 *   transaction := txn-open | txn-position | txn-begin | txn-append | txn-flush | txn-commit
 *             | txn-abort                                 of a copy that ends in this store
 *   reply    := hello | opened | appended | done | report | failed | waiting | closing
 *             | position | begun | committed | refused
 *   events   := (u32 length, bytes)+                      payload of append
 *   pieces   := `engine/txn/piece-format.ts`              payload of txn-append
 *
 * Each is the head of one frame. What arrives is checked against these schemas before anybody
 * looks at it, on both sides. Version 1 is spoken with those who know no other.
 */
import * as z from 'zod';
import { ERRORS, HelicorderError, codeOf, type ErrorCode, messageOf } from '../base/errors.ts';
import { NAME_MAX_LENGTH } from '../base/constants.ts';
import { hexWord } from '../base/bytes.ts';
import { CURSOR_NAME, STREAM_NAME } from '../base/names.ts';
import { quotedCounter } from '../base/quoted.ts';
import { EVENTS_MAX } from '../batch/format.ts';
import { parseJson, protocolError, type Frame } from './frame.ts';

export const CONTROL_VERSION = 2;
/** The oldest that is spoken here. */
export const CONTROL_OLDEST_VERSION = 1;
/** From this on a flush says what was sent, and a refusal more than its reason. */
export const PREPARED_VERSION = 2;
export const CONTROL_PROTOCOL = 'helicorder-control';
/** What an owner of a cursor keeps with it: fits in a head. */
export const CURSOR_DETAIL_MAX_CHARACTERS = 4096;

/** Counters below 2^53 travel as quoted strings, as in all reports. */
const counter = quotedCounter;
const id = z.int().min(0);
const stream = z.string().max(NAME_MAX_LENGTH).regex(STREAM_NAME);
const writer = z.string().min(1).max(NAME_MAX_LENGTH);
const cursor = z.string().regex(CURSOR_NAME);
const cursorFields = {
  name: cursor,
  stream,
  /** which one of that name; an older client does not say */
  incarnation: z
    .string()
    .regex(/^[0-9a-f]{1,64}$/)
    .optional(),
  offset: counter,
  detail: z.string().max(CURSOR_DETAIL_MAX_CHARACTERS).optional(),
};
/** What the store keeps of an input; `store/state/positions.ts` has its limits. */
const position = z.strictObject({ file: z.string(), offset: counter, hash: z.string() });

/** 64 bits of a chain. */
const word = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .transform((digits) => BigInt(`0x${digits}`));
/** Of a copy: source store, incarnation, base. */
const copyWriter = z.string().regex(/^[0-9a-f]{1,64}\/[0-9a-f]{1,64}\/\d{1,16}$/);
const txn = z.string().regex(/^\d{1,16}-\d{1,16}$/);
const ofCopy = { id, stream, writer: copyWriter };

const hello = z.strictObject({
  type: z.literal('hello'),
  protocol: z.literal(CONTROL_PROTOCOL),
  version: z.int(),
});
const request = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('open'), id, stream, writer }),
  z.strictObject({
    type: z.literal('append'),
    id,
    run: counter,
    cursor: z.strictObject(cursorFields).optional(),
    position: position.optional(),
  }),
  z.strictObject({ type: z.literal('end'), id, run: counter }),
  z.strictObject({ type: z.literal('trim'), id }),
  z.strictObject({ type: z.literal('remove'), id, stream }),
  z.strictObject({
    type: z.literal('set-cursor'),
    id,
    ...cursorFields,
  }),
  z.strictObject({ type: z.literal('remove-cursor'), id, name: cursor }),
  z.strictObject({ type: z.literal('pin'), id }),
  z.strictObject({ type: z.literal('txn-open'), ...ofCopy, samplesPerEvent: counter }),
  z.strictObject({ type: z.literal('txn-position'), ...ofCopy, epoch: counter }),
  z.strictObject({ type: z.literal('txn-begin'), ...ofCopy, epoch: counter, lo: counter }),
  z.strictObject({ type: z.literal('txn-append'), id, txn }),
  z.strictObject({
    type: z.literal('txn-flush'),
    id,
    txn,
    /** what was sent; version 1 does not say */
    count: counter.optional(),
    crc: z
      .int()
      .min(0)
      .max(2 ** 32 - 1)
      .optional(),
  }),
  z.strictObject({
    type: z.literal('txn-commit'),
    ...ofCopy,
    epoch: counter,
    txn,
    lo: counter,
    hi: counter,
    count: counter,
    before: word,
    chain: word,
  }),
  z.strictObject({ type: z.literal('txn-abort'), id, txn }),
  z.strictObject({ type: z.literal('status'), id }),
  z.strictObject({ type: z.literal('reload'), id }),
  z.strictObject({ type: z.literal('yield'), id }),
]);
const reply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), version: z.int(), program: z.string() }),
  z.strictObject({
    type: z.literal('opened'),
    id,
    run: counter,
    epoch: counter,
    lastSeq: counter,
    eventLimit: counter,
    groupLimit: counter,
  }),
  z.strictObject({ type: z.literal('appended'), id, firstSeq: counter, firstOffset: counter }),
  z.strictObject({ type: z.literal('done'), id }),
  z.strictObject({
    type: z.literal('position'),
    id,
    epoch: counter,
    last: counter,
    chain: word,
    eventLimit: counter,
    groupLimit: counter,
    transactionLimit: counter.optional(),
  }),
  z.strictObject({ type: z.literal('begun'), id, txn }),
  z.strictObject({
    type: z.literal('committed'),
    id,
    firstOffset: counter,
    endOffset: counter,
  }),
  z.strictObject({
    type: z.literal('refused'),
    id,
    outcome: z.enum(['FENCED', 'REJECTED', 'DIVERGED', 'ABORTED']),
    reason: z.enum(['EPOCH', 'RANGE', 'CONTENT', 'LIMIT']).optional(),
    /** which limit, or why it has ended; not said to version 1 */
    message: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('report'), id }),
  z.strictObject({
    type: z.literal('failed'),
    id: id.nullable(),
    code: z.string(),
    message: z.string(),
  }),
  z.strictObject({ type: z.literal('waiting'), message: z.string() }),
  z.strictObject({ type: z.literal('closing') }),
]);

export type Hello = z.output<typeof hello>;
/** A request as its handler sees it: counters are numbers. */
export type Request = z.output<typeof request>;
export type Reply = z.output<typeof reply>;

type WithoutId<T> = T extends { id: unknown } ? Omit<T, 'id'> : never;
/** What asks, before the client has numbered it. */
export type Question = WithoutId<Request>;
/** What answers one request, before it is told whose it is. */
export type Answer = WithoutId<Exclude<Reply, { type: 'failed' }>> | Failure;
export interface Failure {
  type: 'failed';
  code: string;
  message: string;
}

/** A message as JSON: counters quoted, chains in hex, everything else as it is. */
const COUNTERS = new Set(
  (
    'run epoch lastSeq eventLimit groupLimit transactionLimit firstSeq firstOffset lowWater ' +
    'offset samplesPerEvent lo hi count last endOffset'
  ).split(' '),
);
export function encodeHead(message: object): object {
  const quoted = ([key, value]: [string, unknown]): [string, unknown] => {
    if (typeof value === 'bigint') return [key, hexWord(value)];
    if (typeof value === 'object' && value !== null) return [key, encodeHead(value)];
    return [key, COUNTERS.has(key) ? String(value) : value];
  };
  return Object.fromEntries(Object.entries(message).map(quoted));
}

function checked<T>(schema: z.ZodType<T>, head: unknown, what: string): T {
  const result = schema.safeParse(head);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw protocolError(`${what}: ${issue?.path.join('.') || 'type'}: ${issue?.message}`);
}

/** @throws PROTOCOL, also for a version that is not spoken here */
export function parseHello({ head }: Frame): Hello {
  const message = checked(hello, head, 'not a hello');
  const { version } = message;
  if (version >= CONTROL_OLDEST_VERSION && version <= CONTROL_VERSION) return message;
  throw protocolError(`version ${version} is asked for, this is ${CONTROL_VERSION}`);
}

/** @throws PROTOCOL */
export function parseRequest({ head }: Frame): Request {
  return checked(request, head, 'not a request');
}

/** @throws PROTOCOL */
export function parseReply({ head }: Frame): Reply {
  return checked(reply, head, 'not a reply');
}

/** An answer without what the client would not know. @param version that it speaks */
export function answerIn(version: number, answer: Answer): Answer {
  if (answer.type !== 'refused' || version >= PREPARED_VERSION) return answer;
  const { type, outcome, reason } = answer;
  return { type, outcome, ...(reason && { reason }) };
}

/** Longer than any sentence, and short enough for a head. */
const MESSAGE_MAX_CHARACTERS = 1000;

export function short(message: string): string {
  return message.slice(0, MESSAGE_MAX_CHARACTERS);
}

export function failureOf(error: unknown): Failure {
  return { type: 'failed', code: codeOf(error), message: short(messageOf(error)) };
}

/** The owner's error as the client throws it. */
export function errorOf({ code, message }: Failure): HelicorderError {
  if (Object.hasOwn(ERRORS, code)) return new HelicorderError(code as ErrorCode, message);
  return protocolError(`${message} (${code})`);
}

export function encodeReport(report: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(report));
}

export function parseReport({ payload }: Frame): unknown {
  return parseJson(payload);
}

export function encodeEventList(events: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(events.reduce((sum, event) => sum + 4 + event.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const event of events) {
    view.setUint32(at, event.length, true);
    bytes.set(event, at + 4);
    at += 4 + event.length;
  }
  return bytes;
}

/** The events, as views. @throws PROTOCOL */
export function decodeEventList(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const left = bytes.length - at - 4;
    const length = left < 0 ? 0 : view.getUint32(at, true);
    if (left < 0 || length > left) throw protocolError('an event longer than its frame');
    if (events.length === EVENTS_MAX) throw protocolError(`more than ${EVENTS_MAX} events`);
    events.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (events.length === 0) throw protocolError('an append of nothing');
  return events;
}
