/** What may be a name: one rule for configurations, commands, messages and programs. */
import { NAME_MAX_LENGTH } from './constants.ts';
import { HelicorderError } from './errors.ts';

/** scope/name; how long it may be is NAME_MAX_LENGTH. */
export const STREAM_NAME = /^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/;
export const CURSOR_NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** @throws USAGE if it is not scope/name */
export function streamName(name: unknown): string {
  if (isTooLong(name)) throw tooLong('the name of a stream', name);
  if (typeof name === 'string' && STREAM_NAME.test(name)) return name;
  throw usage(`${quoted(name)} is not the name of a stream, scope/name`);
}

/** @throws USAGE if it cannot be the id of a writer */
export function writerId(id: unknown): string {
  if (isTooLong(id)) throw tooLong('the id of a writer', id);
  if (typeof id === 'string' && id !== '') return id;
  throw usage(`${quoted(id)} is not the id of a writer: it says who writes, such as pump-7`);
}

function isTooLong(name: unknown): name is string {
  return typeof name === 'string' && name.length > NAME_MAX_LENGTH;
}

function tooLong(what: string, { length }: string): HelicorderError {
  return usage(`${what} has ${length} characters, at most ${NAME_MAX_LENGTH} are allowed`);
}

/** A program may give anything. */
function quoted(name: unknown): string {
  return typeof name === 'string' ? `"${name}"` : `a value of type ${typeof name}`;
}

function usage(message: string): HelicorderError {
  return new HelicorderError('USAGE', message);
}
