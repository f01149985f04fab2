/**
 * `DIR/quarantine`: copies of damaged bytes, each a file named by where it was, and a manifest.
 *
 *   00000000000000000003.seg-8192-4096.bin      bytes 8192 to 12287 of that segment
 *   00000000000000000003.seg-8192-4096.bin.1    the same, when they were damaged again
 *   manifest.json                               what each is, when it was put there, its CRC32C
 *
 * What could not be read is zeros in the copy, and its ranges are in the manifest; nothing is ever
 * taken out of the file it stands in.
 */
import { BLOCK_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import { errnoCode } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { File, FileSystem } from '../../files/file-system.ts';
import { storePaths } from '../log/files.ts';

interface Environment {
  fs: FileSystem;
  clock: Clock;
}

interface Range {
  file: string;
  offset: string;
  length: string;
  what: string;
}

export interface QuarantineEntry extends Range {
  /** name in the quarantine */
  as: string;
  crc: string;
  /** UTC ns */
  taken: string;
  /** blocks that could not be read, as offset and length */
  unreadable: [string, string][];
}

export interface Manifest {
  format: 1;
  entries: QuarantineEntry[];
}

const manifestPath = (dir: string): string => `${storePaths(dir).quarantine}/manifest.json`;

/** What has been put aside so far; an unreadable manifest counts as none, and is kept. */
export function readManifest(fs: FileSystem, dir: string): Manifest {
  try {
    const manifest = JSON.parse(fs.readText(manifestPath(dir))) as Manifest;
    if (manifest?.format === 1 && Array.isArray(manifest.entries)) {
      if (manifest.entries.every((entry) => typeof entry?.as === 'string')) return manifest;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError) && errnoCode(error) === undefined) throw error;
  }
  return { format: 1, entries: [] };
}

export function writeManifest(fs: FileSystem, dir: string, manifest: Manifest): void {
  const path = manifestPath(dir);
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  const isKept = fs.exists(path) && readManifest(fs, dir).entries.length === 0;
  if (isKept) fs.rename(path, freePath(fs, `${path}.unreadable`));
  fs.writeFileDurably(path, new TextEncoder().encode(text));
}

/** The path, or the first of path.1, path.2 … that is free: nothing put aside is ever replaced. */
export function freePath(fs: FileSystem, path: string): string {
  let free = path;
  for (let n = 1; fs.exists(free); n++) free = `${path}.${n}`;
  return free;
}

/** Is exactly this damage known, and its file since then damaged nowhere else in the range? */
export function isQuarantined({ entries }: Manifest, dir: string, found: Range): boolean {
  return entries.some(
    ({ file, offset, length, what }) =>
      file === nameIn(dir, found.file) &&
      offset === found.offset &&
      length === found.length &&
      what === found.what,
  );
}

/**
 * Copies a range of a file, or the whole file where the range has no length.
 * @returns undefined if there is no such file: what was found is not about bytes
 */
export function quarantine(
  { fs, clock }: Environment,
  dir: string,
  found: Range,
): QuarantineEntry | undefined {
  if (!fs.exists(found.file) || fs.isDirectory(found.file)) return undefined;
  const source = fs.open(found.file, 'read');
  try {
    const from = Number(found.offset);
    const length = Number(found.length) || Math.max(0, source.size() - from);
    const { quarantine: place } = storePaths(dir);
    fs.makeDirectory(place);
    const name = `${nameIn(dir, found.file).replaceAll('/', '_')}-${from}-${length}.bin`;
    const path = freePath(fs, `${place}/${name}`);
    const copied = copyInto(fs, path, source, { from, length });
    fs.syncDirectory(place);
    const { offset, what } = found;
    const range = { file: nameIn(dir, found.file), offset, length: found.length, what };
    const as = path.slice(place.length + 1);
    return { ...range, as, ...copied, taken: String(clock.read().utcNanos) };
  } finally {
    source.close();
  }
}

/** Makes the file at `path`; nothing is left of one that cannot be made whole. */
function copyInto(
  fs: FileSystem,
  path: string,
  source: File,
  { from, length }: { from: number; length: number },
): Pick<QuarantineEntry, 'crc' | 'unreadable'> {
  const copy = fs.open(path, 'create');
  try {
    const unreadable: [string, string][] = [];
    let crc = 0;
    for (let at = 0; at < length; at += BLOCK_BYTES) {
      const block = new Uint8Array(Math.min(BLOCK_BYTES, length - at));
      if (!isRead(source, block, from + at))
        unreadable.push([String(from + at), String(block.length)]);
      crc = crc32c(block, crc);
      copy.write(block, at);
    }
    copy.sync();
    return { crc: crc.toString(16).padStart(8, '0'), unreadable };
  } catch (error) {
    fs.remove(path);
    throw error;
  } finally {
    copy.close();
  }
}

function isRead(source: File, block: Uint8Array, at: number): boolean {
  try {
    source.read(block, at);
    return true;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}

/** Copies what is damaged in files that are about to go, once each: all of it, or nothing. */
export function keepCopies(environment: Environment, dir: string, found: readonly Range[]): void {
  const { fs } = environment;
  const manifest = readManifest(fs, dir);
  const known = manifest.entries.length;
  try {
    for (const range of found) {
      if (isQuarantined(manifest, dir, range)) continue;
      const entry = quarantine(environment, dir, range);
      if (entry) manifest.entries.push(entry);
    }
    if (manifest.entries.length > known) writeManifest(fs, dir, manifest);
  } catch (error) {
    // it is tried again, and a copy that no manifest names would stay
    const kept = new Set(readManifest(fs, dir).entries.map(({ as }) => as));
    for (const { as } of manifest.entries.slice(known)) {
      if (!kept.has(as)) fs.remove(`${storePaths(dir).quarantine}/${as}`);
    }
    throw error;
  }
}

/** The file's path within the store. */
function nameIn(dir: string, file: string): string {
  return file.startsWith(`${dir}/`) ? file.slice(dir.length + 1) : file;
}
