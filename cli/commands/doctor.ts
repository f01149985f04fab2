/** `helicorder doctor`: what is wrong with the store, what to do, and with --repair: doing it. */
import type { Command } from 'commander';
import type { DoctorReport, Finding } from '../../engine/tools/types.ts';
import { EXIT_DAMAGED, dataDirOf, ignore, newCommand, printJson } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder doctor', 'helicorder doctor --repair --data-dir /var/lib/helicorder'];

export function doctorCommand({ io, run }: CliContext): Command {
  return newCommand('doctor', 'inspect the store, and repair what can be repaired', EXAMPLES)
    .option('--repair', 'copy damaged bytes to DIR/quarantine and make anew what can be made anew')
    .action((options: CommonOptions & { repair?: boolean }) =>
      run(async () => {
        const dir = await dataDirOf(options, io);
        const tell = (step: string): void => {
          if (!options.quiet) void io.stderr.write(`helicorder: ${step}\n`).catch(ignore);
        };
        const report = options.repair
          ? await (await io.load('engine')).repair(dir, tell)
          : await (await io.load('reader')).doctor(dir);
        if (options.json) await printJson(io, report);
        else if (!options.quiet || !report.ok) await io.stdout.write(describe(report));
        return report.ok ? 0 : EXIT_DAMAGED;
      }),
    );
}

function describe({ findings, ok }: DoctorReport): string {
  const lines = findings.map(lineOf);
  const end = ok
    ? 'ok: nothing is damaged that is not written down'
    : 'NOT ok: "helicorder doctor --repair" does what can be done';
  return `${[...lines, end].join('\n')}\n`;
}

function lineOf({ severity, file, offset, length, what, advice, repaired }: Finding): string {
  const at = length === '0' ? '' : ` at ${offset}, ${length} bytes`;
  const place = file === null ? '' : `${file}${at}: `;
  const word = severity === 'damage' ? (repaired === null ? 'DAMAGE' : 'repaired') : 'note';
  return `${word}: ${place}${what}. ${repaired === null ? advice : ''}`.trimEnd();
}
