/** Preloadable libraries of the tests' own, built from their C when they are needed. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FLAGS = ['-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];

/** Whether there is a compiler to build them with. */
export const canShim = ((): boolean => {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Builds `NAME.c` into `dir`. @returns the path of the library */
export function buildShim(name: 'io-shim' | 'clock-shim', dir: string): string {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const path = join(dir, `${name}.so`);
  execFileSync('cc', [...FLAGS, '-o', path, source], { stdio: 'pipe' });
  return path;
}
