/** What may be a name: one rule for configurations, commands, programs and messages. */
import { NAME_MAX_LENGTH } from './constants.ts';
import { HelicorderError } from './errors.ts';

/** scope/name; how long it may be is NAME_MAX_LENGTH. */
export const STREAM_NAME = /^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/;
export const CURSOR_NAME = /^[A-Za-z0-9._-]{1,100}$/;

const SHOWN_LENGTH = 100;

/** @throws HelicorderError USAGE if it is not scope/name */
export function streamName(given: unknown): string {
  const text = notTooLong('the name of a stream', given);
  if (typeof given === 'string' && STREAM_NAME.test(text)) return text;
  throw new HelicorderError('USAGE', `"${text}" is not the name of a stream, scope/name`);
}

/** @throws HelicorderError USAGE if it cannot be the name of a cursor */
export function cursorName(given: unknown): string {
  if (typeof given === 'string' && CURSOR_NAME.test(given)) return given;
  throw new HelicorderError('USAGE', whyNoCursor(String(given)));
}

export function whyNoCursor(text: string): string {
  const shown = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
  const what = '1 to 100 letters, digits, dots, dashes, underscores';
  return `"${shown}" is not the name of a cursor: ${what}`;
}

/**
 * @param what what a user calls it
 * @throws HelicorderError USAGE if it cannot be the id of a writer
 */
export function writerId(given: unknown, what: string): string {
  const text = notTooLong(what, given);
  if (typeof given === 'string' && text !== '') return text;
  const why = text === '' ? 'is empty' : 'is no text';
  throw new HelicorderError('USAGE', `${what} ${why}: it names who writes, such as pump-7`);
}

function notTooLong(what: string, given: unknown): string {
  const text = String(given);
  if (text.length <= NAME_MAX_LENGTH) return text;
  const most = `at most ${NAME_MAX_LENGTH} are allowed`;
  throw new HelicorderError('USAGE', `${what} has ${text.length} characters, ${most}`);
}
