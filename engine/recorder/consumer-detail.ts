/** What the cursor of a consumer keeps beside its offset: whose commit it was, and the state. */
import * as z from 'zod';
import { HelicorderError } from '../base/errors.ts';
import { quotedCounter } from '../base/quoted.ts';

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

/** @throws USAGE for a state that is no JSON */
export function encodeConsumerDetail({ by, commit, state }: ConsumerDetail): string {
  try {
    return JSON.stringify({ kind: 'consumer', by, commit: String(commit), state });
  } catch (error) {
    throw new HelicorderError('USAGE', 'a state that is no JSON', { cause: error });
  }
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
