/** What `copies:` does to records, held against the sources before anything is recorded. */
import { matchesPattern } from '../base/retention.ts';
import type { CopyConfig } from '../config/config.ts';
import { loadDerivation } from '../derive/derivation.ts';
import type { RecordingPlan } from './plan.ts';

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
