/**
 * `helicorder stream write`: lines, framed blobs or a file become opaque events. With `--ack` the
 * first line names the writer's last seq, then one line follows for each event that is durable:
 * what a producer needs to go on exactly where it was. It writes through the process that owns the
 * store, or owns it itself for so long.
 */
import { Option, type Command } from 'commander';
import { errnoCode, HelicorderError } from '../../engine/base/errors.ts';
import type { WriteOptions } from '../../engine/tools/write.ts';
import { dataDirOf, newCommand, streamName, tellWait } from '../command.ts';
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
      new Option(
        '--framing <kind>',
        'events are lines (default), or each follows its u32 length',
      ).choices(['lines', 'length32']),
    )
    .option('--file <path>', 'append this file as one event; with --framing, the events in it')
    .action((name: string, options: Options) => run(() => write(io, streamName(name), options)));
}

async function write(io: CliIo, stream: string, options: Options): Promise<number> {
  const engine = await io.loadEngine();
  const { writer, file } = options;
  const framing = options.framing ?? (file === undefined ? 'lines' : 'file');
  const acknowledgements = new Acknowledgements(io, options.ack === true);
  await engine.writeEvents({
    dataDir: dataDirOf(options, io),
    stream,
    writer,
    framing,
    input: file === undefined ? io.stdin : piecesOf(engine, file),
    onOpen: ({ epoch, lastSeq }) =>
      acknowledgements.print({ writer, epoch: String(epoch), lastSeq: String(lastSeq) }),
    onDurable: (seq, offset) =>
      acknowledgements.print({ seq: String(seq), offset: String(offset) }),
    onWait: tellWait(io),
  });
  await acknowledgements.printed();
  return 0;
}

/** Prints in the order of the calls, which cannot wait for the reader of stdout. */
class Acknowledgements {
  readonly #io: CliIo;
  readonly #isWanted: boolean;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(io: CliIo, isWanted: boolean) {
    this.#io = io;
    this.#isWanted = isWanted;
  }

  print(line: object): void {
    if (!this.#isWanted) return;
    this.#last = this.#io.stdout.write(`${JSON.stringify(line)}\n`).catch((error: unknown) => {
      this.#failure ??= error;
    });
  }

  async printed(): Promise<void> {
    await this.#last;
    if (this.#failure instanceof Error) throw this.#failure;
  }
}

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
    throw new HelicorderError('USAGE', `--file ${path} cannot be read: ${errno}`, { cause });
  } finally {
    file?.close();
  }
}
