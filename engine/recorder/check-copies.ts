/** What `copies:` does to records, held against the sources before anything is recorded. */
import { matchesPattern } from '../base/retention.ts';
import type { RecorderConfig } from '../config/config.ts';
import type { CopyConfig } from '../config/copies.ts';
import { loadDerivation } from '../derive/derivation.ts';
import { closeDrivers, planGroups, problemOf, type RecordingPlan } from './plan.ts';

/** @throws CONFIG for a transform that cannot be loaded, a channel that a source does not have … */
export async function checkCopies(
  copies: readonly CopyConfig[],
  { groups }: RecordingPlan,
): Promise<void> {
  const sources = groups.flatMap(({ spec }) => spec.sources);
  for (const rule of copies) {
    const derivation = await loadDerivation(rule, 'CONFIG');
    for (const { stream, schema } of sources) {
      const first = copies.find(({ pattern }) => matchesPattern(pattern, stream));
      if (first === rule) derivation?.schemaOf(schema);
    }
  }
}

/** The same before there is a recorder, with the devices that are here. @throws CONFIG */
export async function tryCopies(config: RecorderConfig): Promise<void> {
  const sources = config.sources.filter((source) => problemOf(source) === undefined);
  const plan = planGroups({ ...config, sources });
  try {
    await checkCopies(config.copies, plan);
  } finally {
    closeDrivers(plan.groups);
  }
}
