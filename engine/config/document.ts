/**
 * Documentation made from the schema: `docs/configuration.md` and the commented sample file. Both
 * are held equal to it by a test; `npm run docs` writes them anew.
 */
import { copySchema } from './copies.ts';
import { singleKeys, sourceSchema, streamSchema, type DriverFace } from './schema.ts';
import { templateSchema } from './each.ts';
import { factsOf, factsOfElements, settingsOf, type KeyFacts } from './settings.ts';

const INTRODUCTION = `# Configuration

<!-- Made from the schema by "npm run docs". Changes belong into engine/config/schema.ts. -->

\`helicorder run\` takes its configuration from files, environment variables and flags. A flag wins
over the environment, the environment over a file, a file over the default.
\`helicorder config show\` prints every effective value and where it comes from,
\`helicorder validate FILE\` checks a file and prints what would run and the memory it takes.

Files are looked for in this order: \`--config PATH\`; else \`./helicorder.yaml\`; else
\`/etc/helicorder/helicorder.yaml\` or \`.toml\`, and then every \`.yaml\`, \`.yml\` and \`.toml\`
file of \`/etc/helicorder/conf.d\` in the order of their names. Later files lie over earlier ones
key by key; their lists, \`streams\`, \`copies\` and \`sources\`, are joined. In values,
\`\${VAR}\` and \`\${VAR:-default}\` are replaced by environment variables.

Durations (\`100ms\`, \`10s\`, \`2h\`, \`30d\`) and sizes (\`64MiB\`, \`20GB\`) carry their unit; a
bare number is an error. An unknown key is an error that names the nearest known one. Errors in
files and variables exit with 78, errors in flags with 64.
`;

const CHUNKS_TEXT = 'Where data lives once the log is sealed.';

const STREAMS_TEXT =
  'A list of what holds for streams that are not sources, or of which their source says nothing. ' +
  'The first pattern that matches counts; what it leaves out is as in `defaults`.';

const COPIES_TEXT =
  'A list of streams that are copied into other stores while they are recorded, exactly once, as ' +
  '`helicorder stream cp --follow` does it.';

const FLAGS_TEXT = `## Flags and environment variables of \`run\`

\`--source\` describes a whole source: the sources of files are then left aside. Without it, flags
change the one source of the configuration; if there are several, only \`--rate\`,
\`--samples-per-event\`, \`--timestamp-resolution\`, \`--routing-key\`, \`--retain-age\`,
\`--retain-bytes\`, \`--on-full\` and \`--class\` can be given, for all.
`;

/** The text of `docs/configuration.md`. */
export function configurationDocument(drivers: readonly DriverFace[]): string {
  const { store, chunks, defaults, ...top } = singleKeys;
  const parts = [
    INTRODUCTION,
    section('store', factsOf(store.def.innerType.shape)),
    section('chunks', factsOf(chunks.def.innerType.shape), CHUNKS_TEXT),
    section('defaults', factsOf(defaults.def.innerType.shape), 'What sources have in common.'),
    section('Keys of the recorder', factsOf(top)),
    section('streams', factsOf(streamSchema.shape), STREAMS_TEXT),
    section('copies', factsOf(copySchema.shape), COPIES_TEXT),
    section(
      'sources',
      [...factsOf(sourceSchema.shape), ...factsOf(templateSchema.shape)],
      SOURCES_TEXT,
    ),
    ...drivers.map(driverSection),
    `${FLAGS_TEXT}\n${flagTable(drivers)}`,
    `## A sample file\n\n\`\`\`yaml\n${sampleFile(drivers)}\`\`\`\n`,
  ];
  return parts.join('\n');
}

const SOURCES_TEXT = `A list. Without one, the network counters of this machine are recorded.

Devices may come and go: meanwhile their source is in gap(device). When \`run\` starts, one of
them at least must be there; of others that are away, a warning says so. What is there and cannot
be read, as for want of a permission, and the network interface of a source that names none, are
errors: nothing is recorded then (DEVICE). \`helicorder reload\` opens those of sources that are
new or written otherwise, and refuses if one is away; a source that stays as it was goes on with
the device it has. Besides sources it changes \`store.flush\` and what is kept (\`retain\`,
\`onFull\`, \`class\`); all else needs a new start, and a reload that would change it is refused.

All sources take:`;

function section(title: string, facts: KeyFacts[], text?: string): string {
  return `## ${title}\n\n${text === undefined ? '' : `${text}\n\n`}${keyTable(facts)}`;
}

function driverSection({ kind, summary, options }: DriverFace): string {
  const facts = [...factsOf(options.shape), ...factsOfElements(options.shape)];
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
  const { stream: _stream, ...ofStream } = streamSchema.shape;
  const streams = [
    'streams:',
    '  - stream: plant/*',
    ...indent(2, keyLines(factsOf(ofStream), 0, true)),
  ];
  const { from: _from, to: _to, ...ofCopy } = copySchema.shape;
  const copies = [
    'copies:',
    '  - from: plant/*',
    '    to: /mnt/edge',
    ...indent(2, keyLines(factsOf(ofCopy), 0, true)),
  ];
  const lines = [
    '# Helicorder: sample configuration. Every key with its default; made by "npm run docs".',
    ...keyLines(factsOf(singleKeys)),
    ...comment(streams),
    ...comment(copies),
    'sources:',
    '  - source: network',
    '    stream: examples/network',
  ];
  for (const { kind, summary, options } of drivers) {
    lines.push('', `  # ${kind}: ${summary}`, `  # - source: ${kind}`);
    const elements = factsOfElements(options.shape);
    for (const fact of factsOf(options.shape)) {
      lines.push(`  #   ${fact.key}: ${valueText(fact, elements)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The default, or what to put there; of a list of objects one with the keys that it must have. */
function valueText({ key, type, defaultText }: KeyFacts, elements: KeyFacts[]): string {
  const needed = elements.filter((of) => of.key.startsWith(`${key}[].`) && !of.defaultText);
  if (needed.length === 0) return defaultText ?? `<${type}>`;
  return `[{${needed.map(({ path, type: takes }) => `${path.join('.')}: <${takes}>`).join(', ')}}]`;
}

/**
 * Keys with their meaning, from the `at`-th of each path on. A group in which nothing has a default
 * is a comment as a whole, since its name alone would be a null; so `isComment` inside of it.
 */
function keyLines(facts: KeyFacts[], at = 0, isComment = false): string[] {
  const names = [...new Set(facts.map(({ path }) => path[at]!))];
  return names.flatMap((name) => {
    const below = facts.filter(({ path }) => path[at] === name);
    const isOff = !isComment && below.every(({ defaultText }) => defaultText === undefined);
    const [{ path, description, defaultText, type }] = below as [KeyFacts];
    if (path.length === at + 1) {
      const line = `${name}: ${defaultText ?? `<${type}>`}`;
      return [`# ${description}`, ...(isOff ? comment([line]) : [line])];
    }
    const block = [`${name}:`, ...indent(1, keyLines(below, at + 1, isComment || isOff))];
    return isOff ? comment(block) : block;
  });
}

function indent(depth: number, lines: string[]): string[] {
  return lines.map((line) => '  '.repeat(depth) + line);
}

function comment(lines: string[]): string[] {
  return lines.map((line) => `# ${line}`);
}
