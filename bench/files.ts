/**
 * The benchmarks' own files: work directories, results, /proc. What is measured goes through the
 * engine's file system; what is only looked at or thrown away goes through here.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's root: this file runs from `bench/` (tests) or from `dist/bench/`. */
export const ROOT = rootAbove(dirname(fileURLToPath(import.meta.url)));
export const RESULTS_DIR = join(ROOT, 'bench', 'results');
export const BASELINE_PATH = join(RESULTS_DIR, 'baseline.json');

function rootAbove(dir: string): string {
  return existsSync(join(dir, 'package.json')) ? dir : rootAbove(dirname(dir));
}

/** Path of a compiled program of the benchmarks, to be started as a process of its own. */
export function childProgram(name: string): string {
  return join(ROOT, 'dist', 'bench', `${name}.js`);
}

/** The program that is measured. */
export const CLI = join(ROOT, 'dist', 'cli', 'main.js');

/** A directory that does not outlive its use; its name depends on the arguments alone. */
export class WorkDirectory {
  readonly path: string;

  constructor(parent: string, name: string) {
    this.path = join(parent, name);
    rmSync(this.path, { recursive: true, force: true });
    mkdirSync(this.path, { recursive: true });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function listNames(dir: string): string[] {
  return readdirSync(dir);
}

export function readText(path: string): string {
  return readFileSync(path, 'utf8');
}

/** undefined if there is no such file, or it has just gone: a process that has ended. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

export function readBytesIfThere(path: string): Uint8Array | undefined {
  return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
}

export function writeFile(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Writes to stdout past the buffers of the process: it is about to be killed. */
export function printAtOnce(line: string): void {
  writeSync(process.stdout.fd, `${line}\n`);
}

/** Full path of an executable on PATH. */
export function findProgram(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not there, or not executable: the next directory
    }
  }
  return undefined;
}
