/**
 * `helicorder stream write`: lines, framed blobs or a file become opaque events. With `--ack` the
 * first line names the writer's last seq, then one line follows for each event that is durable:
 * what a producer needs to go on exactly where it was; `--json` without it tells at the end how
 * many there were. It writes through the process that owns the store, or owns it itself meanwhile.
 */
import type { Command } from 'commander';
import { errnoCode, HelicorderError } from '../../engine/base/errors.ts';
import { streamName, writerId } from '../../engine/base/names.ts';
import type { WriteOptions } from '../../engine/index.ts';
import { choice, dataDirOf, newCommand, printJson, tellers } from '../command.ts';
import type { CliContext, CliIo, CommonOptions } from '../command.ts';
import type { Engine } from '../engine.ts';

const EXAMPLES = [
  'journalctl -f -o json | helicorder stream write plant/journal --ack',
  'helicorder stream write plant/notes --writer shift-2 --file notes.txt',
];
const FILE_PIECE_BYTES = 65_536;

interface Options extends CommonOptions {
  writer: string;
  ack?: boolean;
  framing?: WriteOptions['framing'];
  file?: string;
}

export function writeCommand({ io, run }: CliContext): Command {
  return newCommand('write', 'append standard input or a file as events', EXAMPLES)
    .argument('<stream>', 'scope/name; made if it does not exist')
    .option('--writer <id>', 'identity under which events are numbered', 'stdin')
    .option('--ack', 'print each event once it is durable')
    .addOption(
      choice(
        '--framing <kind>',
        'events are lines (default), or each follows its length, a u32, little-endian',
        ['lines', 'length32'],
      ),
    )
    .option('--file <path>', 'append this file as one event; with --framing, the events in it')
    .action((name: string, options: Options) => run(() => write(io, streamName(name), options)));
}

async function write(io: CliIo, stream: string, options: Options): Promise<number> {
  const engine = await io.load('engine');
  const { file } = options;
  const writer = writerId(options.writer, '--writer');
  const framing = options.framing ?? (file === undefined ? 'lines' : 'file');
  const acknowledgements = new Acknowledgements(io, options.ack === true);
  const summary = { stream, writer, epoch: '0', lastSeq: '0', events: 0 };
  await engine.writeEvents({
    dataDir: await dataDirOf(options, io),
    stream,
    writer,
    framing,
    input: acknowledgements.paced(file === undefined ? io.stdin : piecesOf(engine, file)),
    onOpen: ({ epoch, lastSeq }) => {
      Object.assign(summary, { epoch: String(epoch), lastSeq: String(lastSeq) });
      acknowledgements.print({ writer, epoch: summary.epoch, lastSeq: summary.lastSeq });
    },
    onDurable: (seq, offset) => {
      summary.events++;
      summary.lastSeq = String(seq);
      acknowledgements.print({ seq: summary.lastSeq, offset: String(offset) });
    },
    ...tellers(io),
  });
  await acknowledgements.printed();
  if (options.json && !options.ack) {
    await printJson(io, { ...summary, events: String(summary.events) });
  }
  return 0;
}

/**
 * Prints in the order of the calls, which cannot wait for the reader of stdout. The input can: it
 * is read on only when what was said of it has been taken, so that a reader who has fallen asleep
 * stops its producer instead of filling our memory.
 */
class Acknowledgements {
  readonly #io: CliIo;
  readonly #isWanted: boolean;
  #lines: string[] = [];
  #printing: Promise<void> | undefined;
  #failure: unknown;

  constructor(io: CliIo, isWanted: boolean) {
    this.#io = io;
    this.#isWanted = isWanted;
  }

  print(line: object): void {
    if (!this.#isWanted) return;
    this.#lines.push(`${JSON.stringify(line)}\n`);
    this.#printing ??= this.#printAll();
  }

  async *paced(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of input) {
      yield piece;
      await this.#printing;
    }
  }

  async printed(): Promise<void> {
    await this.#printing;
    if (this.#failure instanceof Error) throw this.#failure;
  }

  /** Never rejects: what was written goes on, and its end tells that nobody heard of it. */
  async #printAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const text = this.#lines.join('');
      this.#lines = [];
      await this.#io.stdout.write(text).catch((error: unknown) => {
        this.#failure ??= error;
      });
    }
    this.#printing = undefined;
  }
}

const NO_FILE = 'it is a pipe or a terminal: give it as standard input, with <';

/** @throws USAGE if the file cannot be opened or read */
async function* piecesOf({ nodeFileSystem }: Engine, path: string): AsyncGenerator<Uint8Array> {
  let file: ReturnType<typeof nodeFileSystem.open> | undefined;
  try {
    file = nodeFileSystem.open(path, 'read');
    for (let position = 0; ;) {
      const piece = new Uint8Array(FILE_PIECE_BYTES);
      const count = file.read(piece, position);
      if (count === 0) return;
      position += count;
      yield piece.subarray(0, count);
    }
  } catch (cause) {
    const errno = errnoCode(cause);
    if (errno === undefined) throw cause;
    const why = errno === 'ESPIPE' ? NO_FILE : errno;
    throw new HelicorderError('USAGE', `--file ${path} cannot be read: ${why}`, { cause });
  } finally {
    file?.close();
  }
}
