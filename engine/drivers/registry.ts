/** All drivers. A new one is one file and one line here (`docs/adding-a-driver.md`). */
import { HelicorderError, nearest } from '../base/errors.ts';
import type { Driver } from './driver.ts';
import { networkDriver } from './network.ts';
import { syntheticDriver } from './synthetic.ts';
import { sysfsDriver } from './sysfs.ts';

export const DRIVERS = [networkDriver, syntheticDriver, sysfsDriver] as const;

/** Throws HelicorderError CONFIG for an unknown kind, with the nearest known one. */
export function driverOf(kind: string): Driver {
  const driver = DRIVERS.find((candidate) => candidate.kind === kind);
  if (driver !== undefined) return driver;
  const kinds = DRIVERS.map((candidate) => candidate.kind);
  const suggestion = nearest(kind, kinds) ?? kinds.join(', ');
  throw new HelicorderError('CONFIG', `there is no driver "${kind}"; known: ${suggestion}`);
}
