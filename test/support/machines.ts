/** One disk, now in this machine and now in that one. */
import { systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import type { SimulatedFileSystem } from './simulated-file-system.ts';
import { bytes } from './stores.ts';

export const MACHINE_A = 'a'.repeat(32);
export const MACHINE_B = 'b'.repeat(32);
export const MACHINE_C = 'c'.repeat(32);

/** @param machine undefined: one that has no id */
export function on(fs: SimulatedFileSystem, machine: string | undefined): StoreEnvironment {
  fs.makeDirectory('/etc');
  if (machine !== undefined) fs.writeFileDurably('/etc/machine-id', bytes(`${machine}\n`));
  else if (fs.exists('/etc/machine-id')) fs.remove('/etc/machine-id');
  return { ...systemEnvironment, fs, pause: () => {} };
}
