/**
 * Numbers of 64 bits in JSON that comes from elsewhere: quoted strings, checked before anybody
 * looks at them.
 */
import * as z from 'zod';

/** A counter below 2^53, as a number. */
export const quotedCounter = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .refine(Number.isSafeInteger);
