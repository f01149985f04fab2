/** What commands that read a stream have in common: which part of it, and the damage they meet. */
import { Option } from 'commander';
import type { Damage } from '../engine/tools/types.ts';
import { ignore, momentNanos, nameList, type CliIo } from './command.ts';

export function fromTimeOption(): Option {
  const text = 'begin at this time: 2026-11-25T14:30:00Z, -1h …';
  return new Option('--from-time <time>', text).argParser(momentNanos);
}

export function toTimeOption(): Option {
  return new Option('--to-time <time>', 'stop before this time').argParser(momentNanos);
}

export function columnsOption(): Option {
  const text = 'only these channels, in this order, separated by commas';
  return new Option('--columns <names>', text).argParser(nameList);
}

/** On stderr; reading goes on behind it. */
export function tellDamage(io: CliIo, { file, offset, length, what }: Damage): void {
  const message = `helicorder: damage: ${file} at ${offset}, ${length} bytes: ${what}\n`;
  void io.stderr.write(message).catch(ignore);
}
