/** `docs/errors.md`, made from the error table. */
import { ERRORS } from '../../engine/base/errors.ts';

/** sysexits.h, and what it means here. */
const EXIT_CODES: ReadonlyMap<number, string> = new Map([
  [64, 'the command was used wrongly'],
  [65, 'data is damaged'],
  [69, 'something that is needed is not available'],
  [70, 'a fault of Helicorder itself'],
  [74, 'reading or writing failed'],
  [75, 'not now: in use, or a passing condition'],
  [76, 'another process said something that cannot be understood'],
  [78, 'the configuration is wrong'],
]);

const OPENING = `# Errors

Every error that Helicorder gives a user is a \`HelicorderError\` with one of these codes. Programs
decide on \`error.code\` and never on the message: the message is for people, names the option,
file or stream that is meant and may be worded better in any version; a code never changes its
meaning. \`error.retryable\` says whether the same call may succeed later without anybody doing
anything else, \`error.details\` holds facts for programs (file, offset, option), \`error.cause\`
is what failed below.

This page is made from the table in \`engine/base/errors.ts\` by \`npm run docs\`.
`;

export function errorsPage(): string {
  const codes = Object.entries(ERRORS).map(
    ([code, { exit, retryable, advice }]) =>
      `| \`${code}\` | ${exit} | ${retryable ? 'yes' : 'no'} | ${advice} |`,
  );
  const used = new Set(Object.values(ERRORS).map(({ exit }) => exit as number));
  const exits = [...used].map((exit) => {
    const meaning = EXIT_CODES.get(exit);
    if (meaning === undefined) throw new Error(`exit code ${exit} has no meaning in EXIT_CODES`);
    return `| ${exit} | ${meaning} |`;
  });
  return [
    OPENING,
    '| code | exit | try again? | what to do |',
    '|---|---|---|---|',
    ...codes,
    '',
    '## Exit codes',
    '',
    'Those of sysexits.h; 0 is success.',
    '',
    '| exit | meaning |',
    '|---|---|',
    ...exits,
    '',
  ].join('\n');
}
