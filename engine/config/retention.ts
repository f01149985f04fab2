/**
 * Retention as it is configured: keys of a source over the first matching one of `streams`, over
 * `defaults`, each key for itself. What comes out are rules in order of precedence, the last one
 * for every stream (`engine/base/retention.ts`).
 */
import { matchesPattern, ruleFor, type RetentionRule } from '../base/retention.ts';
import type { Path } from './config-file.ts';
import { DEFAULT_ORIGIN, pathText, type EffectiveValue, type Layers } from './layers.ts';
import type { ConfigTree, RetentionTree } from './schema.ts';
import { formatDurationMs, formatSize } from './units.ts';

export interface SourceRetention {
  stream: string;
  /** what the source itself says */
  own: RetentionTree;
}

export function retentionRules(
  tree: ConfigTree,
  sources: readonly SourceRetention[],
): RetentionRule[] {
  const { retain, onFull, class: streamClass } = tree.defaults;
  const byDefault: RetentionRule = {
    pattern: '*',
    ageMs: retain.age,
    bytes: retain.bytes,
    onFull,
    class: streamClass,
  };
  const general = [...tree.streams.map((one) => over(byDefault, one.stream, one)), byDefault];
  const special = sources.filter(({ own }) => own.retain ?? own.onFull ?? own.class);
  return [
    ...special.map(({ stream, own }) => over(ruleFor(general, stream), stream, own)),
    ...general,
  ];
}

function over(base: RetentionRule, pattern: string, own: RetentionTree): RetentionRule {
  return {
    pattern,
    ageMs: own.retain?.age ?? base.ageMs,
    bytes: own.retain?.bytes ?? base.bytes,
    onFull: own.onFull ?? base.onFull,
    class: own.class ?? base.class,
  };
}

/** The effective values of `defaults` and `streams`, with their origins. */
export function generalRetention(layers: Layers, tree: ConfigTree): EffectiveValue[] {
  const general = retentionRules(tree, []);
  const streams = tree.streams.flatMap(({ stream }, i) => {
    const place = ['streams', i];
    const { name } = layers.originOf([...place, 'stream']);
    const key = pathText([...place, 'stream']);
    return [{ key, value: stream, origin: name }, ...valuesOf(layers, general[i]!, [place])];
  });
  return [...valuesOf(layers, general[general.length - 1]!, []), ...streams];
}

/** The effective values of a source, with their origins. */
export function sourceRetention(
  layers: Layers,
  tree: ConfigTree,
  source: SourceRetention,
  index: number,
): EffectiveValue[] {
  const rule = ruleFor(retentionRules(tree, [source]), source.stream);
  const match = tree.streams.findIndex(({ stream }) => matchesPattern(stream, source.stream));
  const places = [['sources', index], ...(match < 0 ? [] : [['streams', match]])];
  return valuesOf(layers, rule, places);
}

/** A rule's values under the first of `places`; each comes from the first place that has it. */
function valuesOf(layers: Layers, rule: RetentionRule, places: Path[]): EffectiveValue[] {
  const all = [...places, ['defaults']];
  const { ageMs, bytes } = rule;
  const facts: [string[], unknown][] = [
    [['retain', 'age'], ageMs === undefined ? null : formatDurationMs(ageMs)],
    [['retain', 'bytes'], bytes === undefined ? null : formatSize(bytes)],
    [['onFull'], rule.onFull],
    [['class'], rule.class],
  ];
  return facts.map(([path, value]) => {
    const from = all.map((place) => [...place, ...path]).find((one) => layers.has(one));
    const origin = from ? layers.originOf(from) : DEFAULT_ORIGIN;
    return { key: pathText([...all[0]!, ...path]), value, origin: origin.name };
  });
}
