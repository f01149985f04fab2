/**
 * `helicorder stream cat`: the events or records of a stream on stdout. Damage is told on stderr
 * and reading goes on behind it; the exit code then is 65.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { streamName } from '../../engine/base/names.ts';
import type { CatOptions, Damage } from '../../engine/tools/types.ts';
import { EXIT_DAMAGED, choice, ignore, newCommand } from '../command.ts';
import { wholeNumber, withStore } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import { columnsOption, fromTimeOption, tellDamage, toTimeOption } from '../read-options.ts';

const EXAMPLES = [
  'helicorder stream cat examples/network --max-events 1',
  'helicorder stream cat examples/network --from tail --follow',
  'helicorder stream cat plant/eth0 --from 60000 --to 61000 --format csv',
  'helicorder stream cat plant/pump-3 --from-time now-1h --columns X,Z',
];
const END_OF_FOLLOW =
  'helicorder: nobody records into this store any more: that was the end of the stream\n';
const FORMATS = ['json', 'ndjson-records', 'csv', 'raw'] as const;

interface Options extends CommonOptions {
  from: CatOptions['from'];
  to?: number;
  fromTime?: bigint;
  toTime?: bigint;
  columns?: string[];
  maxEvents?: number;
  follow?: boolean;
  format?: NonNullable<CatOptions['format']>;
  withLedger?: boolean;
  delimiter?: string;
}

export function catCommand({ io, run }: CliContext): Command {
  return newCommand('cat', 'print a stream: JSON events, records, CSV or raw bytes', EXAMPLES)
    .argument('<stream>', 'scope/name')
    .addOption(
      new Option('--from <place>', 'an offset, start or tail')
        .argParser(fromPlace)
        .default('start'),
    )
    .option('--to <offset>', 'stop before this offset; a JSON event is given whole', wholeNumber)
    .addOption(fromTimeOption())
    .addOption(toTimeOption())
    .addOption(columnsOption())
    .option('--max-events <count>', 'stop after this many events', wholeNumber)
    .option('--follow', 'wait for what is still to come, as long as somebody owns the store')
    .addOption(choice('--format <format>', 'json (default), for opaque streams raw', FORMATS))
    .option('--with-ledger', 'add writer, epoch, seq, offset and gaps to each event of format json')
    .option(
      '--delimiter <text>',
      'follows each event in format raw; \\n, \\t, \\0 understood (default: a line feed)',
      unescapeText,
    )
    .action((name: string, options: Options) => run(() => print(io, streamName(name), options)));
}

async function print(io: CliIo, stream: string, options: Options): Promise<number> {
  const stop = new AbortController();
  const stopListening = io.onSignal(() => stop.abort());
  let isDamaged = false;
  const onDamage = (damage: Damage): void => {
    isDamaged = true;
    tellDamage(io, damage);
  };
  return withStore(io, options, async (store, { cat }) => {
    const { follow = false, withLedger = false, ...given } = options;
    const facts = { stream, follow, withLedger, onDamage, signal: stop.signal };
    const chunks = cat(store, { ...given, ...facts });
    for await (const chunk of chunks) await io.stdout.write(chunk);
    const isCut = stop.signal.aborted || given.to !== undefined || given.maxEvents !== undefined;
    if (follow && !isCut && !options.quiet) await io.stderr.write(END_OF_FOLLOW).catch(ignore);
    return isDamaged ? EXIT_DAMAGED : 0;
  }).finally(stopListening);
}

function fromPlace(text: string): CatOptions['from'] {
  if (text === 'start' || text === 'tail') return text;
  const offset = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(offset)) return offset;
  throw new InvalidArgumentError('expected an offset, start or tail.');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };

function unescapeText(text: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
