/**
 * The production rules as the model runs them, and copies of them with one rule taken out: text of
 * the source file is replaced, compiled and loaded. A replacement that does not fit exactly once is
 * an error, so a mutant cannot quietly become the original.
 */
import { readFileSync } from 'node:fs';
import { runInThisContext as runText } from 'node:vm';
import ts from 'typescript';
import * as assertModule from '../../../engine/base/assert.ts';
import * as constantsModule from '../../../engine/base/constants.ts';
import * as coordinator from '../../../engine/txn/coordinator.ts';
import * as position from '../../../engine/txn/position.ts';
import * as twoPhase from '../../../engine/txn/two-phase.ts';

export interface Rules {
  coordinator: typeof coordinator;
  position: typeof position;
  twoPhase: typeof twoPhase;
}

export const RULES: Rules = { coordinator, position, twoPhase };

export interface Patch {
  file: 'coordinator' | 'position' | 'two-phase';
  find: string;
  replace: string;
}

const MODULES: Readonly<Record<string, unknown>> = {
  '../base/assert.ts': assertModule,
  '../base/constants.ts': constantsModule,
};

function patchedModule(patch: Patch): unknown {
  const url = new URL(`../../../engine/txn/${patch.file}.ts`, import.meta.url);
  const text = readFileSync(url, 'utf8');
  const parts = text.split(patch.find);
  if (parts.length !== 2) throw new Error(`${patch.file}: ${parts.length - 1} × ${patch.find}`);
  const { outputText } = ts.transpileModule(parts.join(patch.replace), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const exports = {};
  const load = (name: string): unknown => {
    if (!(name in MODULES)) throw new Error(`${patch.file} imports ${name}`);
    return MODULES[name];
  };
  const body = runText(`(exports, require) => {${outputText}}`) as (...args: unknown[]) => void;
  body(exports, load);
  return exports;
}

export function patchedRules(patch: Patch): Rules {
  const loaded = patchedModule(patch);
  if (patch.file === 'coordinator') return { ...RULES, coordinator: loaded as typeof coordinator };
  if (patch.file === 'position') return { ...RULES, position: loaded as typeof position };
  return { ...RULES, twoPhase: loaded as typeof twoPhase };
}
