/**
 * Documentation made from the schema: `docs/configuration.md` and the commented sample file. Both
 * are held equal to it by a test; `npm run docs` writes them anew.
 */
import { configSchema, sourceSchema, type DriverFace } from './schema.ts';
import { factsOf, settingsOf, type KeyFacts } from './settings.ts';

const INTRODUCTION = `# Configuration

<!-- Made from the schema by "npm run docs". Changes belong into engine/config/schema.ts. -->

\`helicorder run\` takes its configuration from files, environment variables and flags. A flag wins
over the environment, the environment over a file, a file over the default.
\`helicorder config show\` prints every effective value and where it comes from,
\`helicorder validate FILE\` checks a file and prints what would run and the memory it takes.

Files are looked for in this order: \`--config PATH\`; else \`./helicorder.yaml\`; else
\`/etc/helicorder/helicorder.yaml\` or \`.toml\`, and then every \`.yaml\`, \`.yml\` and \`.toml\`
file of \`/etc/helicorder/conf.d\` in the order of their names. Later files lie over earlier ones
key by key; their sources are added. In values, \`\${VAR}\` and \`\${VAR:-default}\` are replaced by
environment variables.

Durations (\`100ms\`, \`10s\`, \`2h\`) and sizes (\`64MiB\`, \`20GB\`) carry their unit; a bare
number is an error. An unknown key is an error that names the nearest known one. Errors in files
and variables exit with 78, errors in flags with 64.
`;

const FLAGS_TEXT = `## Flags and environment variables of \`run\`

\`--source\` describes a whole source: the sources of files are then left aside. Without it, flags
change the one source of the configuration; if there are several, only \`--rate\`,
\`--samples-per-event\`, \`--timestamp-resolution\` and \`--routing-key\` can be given, for all.
`;

/** The text of `docs/configuration.md`. */
export function configurationDocument(drivers: readonly DriverFace[]): string {
  const { store, defaults, sources: _sources, ...top } = configSchema.shape;
  const parts = [
    INTRODUCTION,
    section('store', factsOf(store.def.innerType.shape)),
    section('defaults', factsOf(defaults.def.innerType.shape), 'What sources have in common.'),
    section('Keys of the recorder', factsOf(top)),
    section(
      'sources',
      factsOf(sourceSchema.shape),
      'A list. Without one, the network counters of this machine are recorded. All sources take:',
    ),
    ...drivers.map(driverSection),
    `${FLAGS_TEXT}\n${flagTable(drivers)}`,
    `## A sample file\n\n\`\`\`yaml\n${sampleFile(drivers)}\`\`\`\n`,
  ];
  return parts.join('\n');
}

function section(title: string, facts: KeyFacts[], text?: string): string {
  return `## ${title}\n\n${text === undefined ? '' : `${text}\n\n`}${keyTable(facts)}`;
}

function driverSection({ kind, summary, options }: DriverFace): string {
  const facts = factsOf(options.shape);
  const keys = facts.length > 0 ? keyTable(facts) : 'It has no keys of its own.\n';
  return `### source: ${kind}\n\n${summary}\n\n${keys}`;
}

function keyTable(facts: KeyFacts[]): string {
  const rows = facts.map(({ key, type, defaultText, description }) => [
    `\`${key}\``,
    type,
    defaultText === undefined ? '' : `\`${defaultText}\``,
    description,
  ]);
  return table([['key', 'type', 'default', 'meaning'], ...rows]);
}

function flagTable(drivers: readonly DriverFace[]): string {
  const rows = settingsOf(drivers).map(({ flag, variable, takes, defaultText }) => [
    `\`--${flag}\``,
    `\`${variable}\``,
    takes,
    defaultText === undefined ? '' : `\`${defaultText}\``,
  ]);
  return table([['flag', 'variable', 'takes', 'default'], ...rows]);
}

function table([head = [], ...rows]: string[][]): string {
  const line = (cells: string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

/** A configuration with every key: the defaults, and what has none as a comment. */
export function sampleFile(drivers: readonly DriverFace[]): string {
  const { store, defaults, sources: _sources, ...top } = configSchema.shape;
  const lines = [
    '# Helicorder: sample configuration. Every key with its default; made by "npm run docs".',
    'store:',
    ...keyLines(factsOf(store.def.innerType.shape), '  '),
    'defaults:',
    ...keyLines(factsOf(defaults.def.innerType.shape), '  '),
    ...keyLines(factsOf(top), ''),
    'sources:',
    '  - source: network',
    '    stream: examples/network',
  ];
  for (const { kind, summary, options } of drivers) {
    lines.push('', `  # ${kind}: ${summary}`, `  # - source: ${kind}`);
    for (const { key, defaultText, type } of factsOf(options.shape)) {
      lines.push(`  #   ${key}: ${defaultText ?? `<${type}>`}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function keyLines(facts: KeyFacts[], indent: string): string[] {
  return facts.flatMap(({ key, description, defaultText, type }) => [
    `${indent}# ${description}`,
    defaultText === undefined ? `${indent}# ${key}: <${type}>` : `${indent}${key}: ${defaultText}`,
  ]);
}
