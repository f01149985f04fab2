/**
 * The engine as the commands see it: parts that are loaded when a command first needs them.
 * `--help`, `--version` and errors of use work on every system, also where the addon is not built,
 * and what only reads a store does not wait for the recorder.
 */
import { HelicorderError } from '../engine/base/errors.ts';

export interface EngineParts {
  /** opens and reads a store */
  reader: typeof import('../engine/reader.ts');
  /** asks the owner of a store, or changes one that nobody owns */
  control: typeof import('../engine/tools/change.ts');
  /** all of it: recorder, configuration, copier */
  engine: typeof import('../engine/index.ts');
}

export type Engine = EngineParts['engine'];
export type Load = <Part extends keyof EngineParts>(part: Part) => Promise<EngineParts[Part]>;

const PARTS: { readonly [Part in keyof EngineParts]: () => Promise<EngineParts[Part]> } = {
  reader: () => import('../engine/reader.ts'),
  control: () => import('../engine/tools/change.ts'),
  engine: () => import('../engine/index.ts'),
};

/** @throws HelicorderError UNSUPPORTED if the addon is missing or made for another Node */
export const load: Load = async (part) => {
  try {
    return await PARTS[part]();
  } catch (error) {
    if (error instanceof HelicorderError) throw error;
    const [reason] = String(error).split('\n');
    throw new HelicorderError('UNSUPPORTED', `the engine cannot be loaded: ${reason}`, {
      cause: error,
    });
  }
};
