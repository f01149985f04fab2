/** `helicorder verify`: reads everything and says whether it is what was accepted. */
import Table from 'cli-table3';
import type { Command } from 'commander';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { EXIT_DAMAGED, dataDirOf, newCommand, printJson } from '../command.ts';
import type { CliContext, CommonOptions } from '../command.ts';

const EXAMPLES = ['helicorder verify', 'helicorder verify --data-dir /var/lib/helicorder --json'];
const EXIT_AWAY = 69;

export function verifyCommand({ io, run }: CliContext): Command {
  return newCommand('verify', 'check every byte, offset, sequence and ledger', EXAMPLES).action(
    (options: CommonOptions) =>
      run(async () => {
        const { verify } = await io.load('reader');
        const report = await verify(await dataDirOf(options, io));
        if (options.json) await printJson(io, report);
        else if (!options.quiet || !report.ok) await io.stdout.write(describe(report));
        return exitCodeOf(report);
      }),
  );
}

function exitCodeOf({ ok, damage, away }: VerifyReport): number {
  if (ok) return 0;
  return damage.length === 0 && away.length > 0 ? EXIT_AWAY : EXIT_DAMAGED;
}

function describe(report: VerifyReport): string {
  const head = ['stream', 'records', 'offsets', 'ticks', 'samples', 'gaps'];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const stream of report.streams) {
    const gaps = stream.gaps
      .map(({ reason, ticks, knownTicks }) => `${reason} ${ticks ?? knownText(knownTicks)}`)
      .join(', ');
    table.push([
      stream.name,
      stream.awayRecords === '0'
        ? stream.records
        : `${stream.records} (${stream.awayRecords} away)`,
      stream.firstOffset === null ? 'empty' : `${stream.firstOffset}–${stream.lastOffset}`,
      stream.ticksScheduled,
      stream.samples,
      gaps || 'none',
    ]);
  }
  const lines = [
    ...(report.streams.length > 0 ? [table.toString()] : []),
    ...report.tornTails.map(
      ({ file, offset, length }) =>
        `torn tail: ${file} at ${offset}, ${length} bytes, never acknowledged (normal)`,
    ),
    ...report.streams.filter(({ seams }) => seams !== '0').map(seamsLine),
    ...report.damage.map(
      ({ file, offset, length, what }) => `DAMAGE: ${file} at ${offset}, ${length} bytes: ${what}`,
    ),
    ...report.away.map(({ place, what }) => `AWAY: ${place}: ${what}`),
    report.ok
      ? 'ok: everything accepted is there'
      : 'NOT ok: see above, and "helicorder doctor" for what of it is known and what to do',
  ];
  return `${lines.join('\n')}\n`;
}

function seamsLine({ name, seams }: VerifyReport['streams'][number]): string {
  return (
    `seams: ${name}: ${seams}, where a copy into it was begun anew and does not go on where the ` +
    'one before had ended (nothing given to this store is missing)'
  );
}

/** Ticks of a reason of which some gaps have none: their length is known in time only. */
function knownText(ticks: string): string {
  return ticks === '0' ? 'unknown' : `${ticks} and unknown`;
}
