/**
 * What a store keeps of a copy that begins in it: one cursor, whose detail says whose copy it is,
 * how far it has come, and which commit was about to be sent. It is one control entry, so cursor
 * and intent can never be told apart by a crash.
 */
import * as z from 'zod';
import { HelicorderError } from '../base/errors.ts';
import { quotedCounter } from '../base/quoted.ts';
import type { Cursor } from '../txn/coordinator.ts';
import type { Intent, WriterIdentity } from '../txn/participant.ts';

export interface CopyRecord {
  writer: WriterIdentity;
  /** scope/name of the target; undefined: written by a version that did not say */
  to?: string | undefined;
  cursor: Cursor;
  intent: Intent | undefined;
  /** it ended with SOURCE_DIVERGED, and nobody has said yet where it goes on */
  halted?: true | undefined;
}

const counter = quotedCounter;
const word = z
  .string()
  .regex(/^[0-9a-f]{1,16}$/)
  .transform((digits) => BigInt(`0x${digits}`));
const range = { lo: counter, hi: counter, count: counter, before: word, chain: word };
const detail = z.strictObject({
  kind: z.literal('copy'),
  to: z.string().optional(),
  halted: z.literal(true).optional(),
  store: z.string(),
  incarnation: z.string(),
  base: counter,
  epoch: counter,
  acked: counter,
  chain: word,
  intent: z.strictObject({ txn: z.string().optional(), ...range }).optional(),
});

export function encodeCopyRecord({ writer, to, cursor, intent, halted }: CopyRecord): string {
  const { store, incarnation, base } = writer;
  const { epoch, acked, chain } = cursor;
  const json: z.input<typeof detail> = {
    kind: 'copy',
    ...(to === undefined ? {} : { to }),
    ...(halted && { halted }),
    ...{ store, incarnation, base: String(base) },
    ...{ epoch: String(epoch), acked: String(acked), chain: chain.toString(16) },
  };
  if (intent) {
    const { lo, hi, count, before, chain: after } = intent.range;
    json.intent = {
      ...(intent.txn === undefined ? {} : { txn: intent.txn }),
      ...{ lo: String(lo), hi: String(hi), count: String(count) },
      ...{ before: before.toString(16), chain: after.toString(16) },
    };
  }
  return JSON.stringify(json);
}

/** @throws USAGE if the cursor is somebody else's */
export function decodeCopyRecord(name: string, text: string): CopyRecord {
  const { data } = detail.safeParse(parsed(text));
  if (data === undefined) {
    throw new HelicorderError('USAGE', `cursor ${name} is not a copy's; choose another --cursor`);
  }
  const { to, halted, store, incarnation, base, epoch, acked, chain, intent } = data;
  const { txn, ...rest } = intent ?? { txn: undefined };
  return {
    writer: { store, incarnation, base },
    to,
    halted,
    cursor: { epoch, acked, chain },
    intent: intent && { txn, range: rest as Intent['range'] },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
