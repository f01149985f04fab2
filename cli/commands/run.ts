/**
 * `helicorder run`: records until a signal, the given duration or the end of the last source.
 * The first SIGINT or SIGTERM drains and stops; a repetition within half a second is the same
 * signal (npm passes Ctrl-C on twice); a later one ends the process at once, which loses nothing
 * that was accepted: that is durable, and the next start accounts for the rest as gap(crash).
 * SIGHUP is a terminal that has been closed, and ends it as well; one that has none (`nohup`, a
 * service) reads its configuration again, as such programs do: Node.js takes back that a signal is
 * ignored, so what nohup has set cannot be seen otherwise.
 *
 * Nobody has to read what it prints: a reader that goes changes nothing, and where stdout cannot be
 * written it records on, and says so when it ends.
 */
import type { Command } from 'commander';
import { pino, type Logger } from 'pino';
import { monotonicMs } from '../../engine/base/clock.ts';
import { SIGNAL_REPEAT_MS, STATUS_INTERVAL_MS } from '../../engine/base/constants.ts';
import { isCode, messageOf } from '../../engine/base/errors.ts';
import type { RecorderConfig } from '../../engine/config/config.ts';
import type { RecorderSummary } from '../../engine/tools/types.ts';
import { SIGNAL_EXITS, ignore, newCommand, printJson } from '../command.ts';
import type { CliContext, CliIo, CommonOptions, EndSignal } from '../command.ts';
import type { Engine } from '../engine.ts';
import { configurationOf, flagsOf, resolvedBy, withSettings } from '../settings-options.ts';
import { reloadText } from './reload.ts';
import { LiveBlock, statusLine, statusLines, summaryLine } from '../status-view.ts';

type RunningRecorder = Pick<
  Awaited<ReturnType<Engine['Recorder']['start']>>,
  'status' | 'stop' | 'finished' | 'on' | 'reload'
>;

const EXAMPLES = [
  'helicorder run',
  'helicorder run --interface eth0 --rate 1000 --stream plant/eth0 --data-dir /var/lib/helicorder',
  'helicorder run --source synthetic --count 32 --duration 60s --json',
];
const LOG_LINE_INTERVAL_MS = 10_000;
const HELP = `
Ends well on SIGINT (Ctrl-C), SIGTERM and, where its terminal is closed, SIGHUP: what was sampled is
made durable first. Without a terminal (nohup, a service) SIGHUP is "helicorder reload".
With --json the last line has "state":"stopped" and the final counts.`;

export async function runCommand({ io, run }: CliContext): Promise<Command> {
  const command = newCommand('run', 'record the configured sources into the store', EXAMPLES);
  command.addHelpText('after', HELP);
  return (await withSettings(command, io)).action((options: CommonOptions & { config?: string }) =>
    run(async () => {
      const flags = flagsOf(command);
      const { engine, config, paths } = await configurationOf(io, options.config, flags);
      const log = logOf(options, io);
      log.info({ files: paths, sources: config.sources.length }, 'configuration read');
      const signals = new Signals(io);
      const { summary, failure } = await signals.during(async () => {
        const reconfigure = (): RecorderConfig =>
          resolvedBy(engine, io, options.config, flags).config;
        const recorder = await engine.Recorder.start(config, { reconfigure });
        log.info({ dataDir: config.dataDir }, 'recording');
        signals.reach(recorder);
        return follow(io, recorder, options);
      });
      log.info(summary, 'stopped');
      if (!options.quiet)
        await io.stderr.write(`helicorder: ${summaryLine(summary)}\n`).catch(ignore);
      if (options.json && isCode(failure, 'OUTPUT')) throw failure;
      return 0;
    }),
  );
}

/** Structured log on stderr; a person's terminal gets only what is wrong unless it asks. */
function logOf(options: CommonOptions, io: CliIo): Logger {
  const level = options.logLevel ?? (options.quiet ? 'error' : 'warn');
  const destination = { write: (line: string) => void io.stderr.write(line).catch(ignore) };
  return pino({ name: 'helicorder', level }, destination);
}

async function follow(
  io: CliIo,
  recorder: RunningRecorder,
  options: CommonOptions,
): Promise<{ summary: RecorderSummary; failure: unknown }> {
  const view = viewOf(io, recorder, options);
  let failure: unknown;
  // whoever read the status has gone, or his disk is full: that is no reason to stop recording
  const show = async (): Promise<void> => {
    await view().catch((error: unknown) => {
      clearInterval(timer);
      if (failure === undefined && isCode(error, 'OUTPUT')) {
        void io.stderr.write(`helicorder: ${error.message}; recording goes on\n`).catch(ignore);
      }
      failure ??= error;
    });
  };
  const isLine = !options.json && !io.stderr.isTTY;
  const timer = setInterval(() => void show(), isLine ? LOG_LINE_INTERVAL_MS : STATUS_INTERVAL_MS);
  const tellSpace = tellsOfSpace(io, recorder);
  const tellWarnings = tellsOfWarnings(io, recorder);
  const tell = async (): Promise<void> => {
    await tellSpace();
    await tellWarnings();
  };
  // with every status: what is over a moment later was a problem all the same
  recorder.on('status', () => void tell().catch(ignore));
  try {
    const summary = await recorder.finished;
    clearInterval(timer);
    if (options.json) await show();
    return { summary, failure };
  } finally {
    clearInterval(timer);
    await tellWarnings().catch(ignore);
  }
}

/** A full disk is said when it begins and when it ends, whatever else is shown. */
function tellsOfSpace(io: CliIo, recorder: RunningRecorder): () => Promise<void> {
  let wasWaiting = false;
  return async () => {
    const { state } = recorder.status();
    const isWaiting = state === 'waiting-for-space';
    if (isWaiting === wasWaiting || !(isWaiting || state === 'recording')) return;
    wasWaiting = isWaiting;
    const what = isWaiting
      ? 'no space (disk or store.budget): waiting; what the rings cannot hold becomes gap(full)'
      : 'there is space again: recording goes on';
    await io.stderr.write(`helicorder: ${what}\n`);
  };
}

/** Each warning once: what a status shows only as long as somebody looks at it. */
function tellsOfWarnings(io: CliIo, recorder: RunningRecorder): () => Promise<void> {
  const told = new Set<string>();
  return async () => {
    for (const warning of recorder.status().warnings) {
      if (told.has(warning)) continue;
      told.add(warning);
      await io.stderr.write(`helicorder: warning: ${warning}\n`);
    }
  };
}

/** What signals do to a recorder, also to one that is still starting. */
class Signals {
  readonly #io: CliIo;
  #recorder: RunningRecorder | undefined;
  #first: { signal: EndSignal; atMs: number } | undefined;

  constructor(io: CliIo) {
    this.#io = io;
  }

  async during<T>(action: () => Promise<T>): Promise<T> {
    const stopListening = this.#io.onSignal((signal) => this.#take(signal));
    try {
      return await action();
    } finally {
      stopListening();
    }
  }

  /** The recorder runs now; a signal that came before stops it at once. */
  reach(recorder: RunningRecorder): void {
    this.#recorder = recorder;
    if (this.#first) this.#stop();
  }

  #take(signal: EndSignal): void {
    if (signal === 'SIGHUP' && !this.#io.hasTerminal) return void this.#reload();
    const nowMs = monotonicMs();
    if (this.#first === undefined) {
      this.#first = { signal, atMs: nowMs };
      this.#stop();
      return;
    }
    const isRepeated = nowMs - this.#first.atMs <= SIGNAL_REPEAT_MS;
    if (!isRepeated) this.#io.exitNow(SIGNAL_EXITS[signal]);
  }

  /** What is wrong with the new configuration is told; recording goes on. */
  async #reload(): Promise<void> {
    const said = (text: string): Promise<void> =>
      this.#io.stderr.write(`helicorder: reload: ${text}\n`).catch(ignore);
    try {
      const report = await this.#recorder?.reload();
      if (report) await said(reloadText(report).trimEnd().replace(/\n/g, ', ').replace(/ +/g, ' '));
    } catch (error) {
      await said(messageOf(error));
    }
  }

  #stop(): void {
    // `finished` rejects with the same error, and is awaited
    this.#recorder?.stop().catch(ignore);
  }
}

function viewOf(io: CliIo, recorder: RunningRecorder, options: CommonOptions): () => Promise<void> {
  if (options.json) return () => printJson(io, recorder.status());
  if (options.quiet) return () => Promise.resolve();
  if (!io.stderr.isTTY) {
    return () => io.stderr.write(`helicorder: ${statusLine(recorder.status())}\n`);
  }
  const block = new LiveBlock(io.stderr);
  return () => block.draw(statusLines(recorder.status()));
}
