/** Constants as the addon's sources declare them, for tests that hold both languages equal. */
import { readFileSync } from 'node:fs';

/** A file of native/src without its comments. */
export function nativeSource(file: string): string {
  const url = new URL(`../../native/src/${file}`, import.meta.url);
  return readFileSync(url, 'utf8').replace(/\/\/.*$/gm, '');
}

/** Every `constexpr … kName = literal;`; what is computed is left out. */
export function nativeConstants(source: string): Record<string, number> {
  const declaration = /constexpr\s+\w+\s+(k\w+)\s*=\s*(0x[0-9a-f]+|[0-9][0-9']*)\s*;/gi;
  const found = [...source.matchAll(declaration)];
  const entries = found.map(([, name, literal]): [string, number] => [name!, numberOf(literal!)]);
  return Object.fromEntries(entries);
}

/** The members of `enum NAME` or `enum class NAME`; one without a value follows the one before. */
export function nativeEnum(source: string, name: string): Record<string, number> {
  const body = new RegExp(`enum\\s+(?:class\\s+)?${name}\\b[^{;]*{([^}]*)}`).exec(source)?.[1];
  if (body === undefined) throw new Error(`there is no enum ${name}`);
  const members: Record<string, number> = {};
  let next = 0;
  for (const member of body.split(',').map((text) => text.trim())) {
    if (member === '') continue;
    const [key, literal] = member.split(/\s*=\s*/);
    const value = literal === undefined ? next : numberOf(literal);
    members[key!] = value;
    next = value + 1;
  }
  return members;
}

/** The string literals between `= {` and `}` of the array NAME. */
export function nativeStrings(source: string, name: string): string[] {
  const body = new RegExp(`\\b${name}\\[[^\\]]*\\]\\s*=\\s*{([^}]*)}`).exec(source)?.[1];
  if (body === undefined) throw new Error(`there is no array ${name}`);
  return [...body.matchAll(/"([^"]*)"/g)].map(([, text]) => text!);
}

/** fullReasonAt → kFullReasonAt */
export function nativeName(name: string): string {
  return `k${name[0]!.toUpperCase()}${name.slice(1)}`;
}

/** A table of TypeScript with the names that the addon gives its entries. */
export function withNativeNames(table: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(table).map(([name, value]) => [nativeName(name), value]),
  );
}

function numberOf(literal: string): number {
  return Number(literal.replaceAll("'", ''));
}
