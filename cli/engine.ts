/**
 * The engine as the commands see it. It is loaded when a command first needs it: `--help`,
 * `--version` and errors of use work on every system, also where the addon is not built.
 */
import { HelicorderError } from '../engine/base/errors.ts';

export type Engine = typeof import('../engine/index.ts');

/** @throws HelicorderError UNSUPPORTED if the addon is missing or made for another Node */
export async function loadEngine(): Promise<Engine> {
  try {
    return await import('../engine/index.ts');
  } catch (error) {
    if (error instanceof HelicorderError) throw error;
    const [reason] = String(error).split('\n');
    throw new HelicorderError('UNSUPPORTED', `the engine cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
}
