/**
 * What is copied into other stores while it is recorded: `copies:` of the configuration. A copy's
 * beginning, cursor and size of a transaction are checked by the parsers that `stream cp` has too.
 *
 * A cursor is of one stream and one target, by its name in the whole store. So a name that is
 * given to copies of several streams must contain `{stream}`.
 */
import { resolve } from 'node:path';
import * as z from 'zod';
import { COPY_BATCH_RECORDS, COPY_LINGER_MAX_MS, COPY_LINGER_MS } from '../base/constants.ts';
import type { HelicorderError } from '../base/errors.ts';
import { matchesPattern } from '../base/retention.ts';
import { parseWhere } from '../derive/where.ts';
import { durationMs, group, parsed, sizeBytes, streamPattern } from './fields.ts';
import { DEFAULT_ORIGIN, pathText, type EffectiveValue, type Layers } from './layers.ts';
import {
  parseBatchRecords,
  parseBeginning,
  parseCursorName,
  type CopyBeginning,
} from './copy-words.ts';
import { formatDurationMs, formatSize } from './units.ts';

export interface CopyConfig {
  /** scope/name, with * for any characters in each */
  pattern: string;
  toDataDir: string;
  follow: boolean;
  /** where a new copy begins; default: `start` */
  begin?: CopyBeginning;
  /** name of the cursor, with `{stream}` for the stream's; default: one that `stream cp` gives */
  cursor?: string;
  /** most records of one transaction */
  batchRecords?: number;
  /** undefined: no limit */
  bytesPerSecond: number | undefined;
  /** between the beginnings of two transactions of a stream, unless the copy is behind */
  lingerMs: number;
  /** which samples are kept, what becomes of them (`engine/derive`); default: all, as they are */
  where?: string;
  transform?: { file: string; options?: Record<string, unknown> | undefined };
}

const STREAM_PLACEHOLDER = '{stream}';
/** The shortest name of a stream that may come. */
const ANY_STREAM = 'a/b';

/** @throws RangeError */
function parseCursorPattern(value: unknown): string {
  const pattern = String(value);
  parseCursorName(filledIn(pattern, ANY_STREAM));
  return pattern;
}

function filledIn(pattern: string, stream: string): string {
  return pattern.replaceAll(STREAM_PLACEHOLDER, stream.replace('/', '.'));
}

/**
 * The cursor of a stream's copy; undefined: it has no name of its own.
 * @throws RangeError if the stream's name makes it too long
 */
export function cursorFor({ cursor }: CopyConfig, stream: string): string | undefined {
  return cursor === undefined ? undefined : parseCursorName(filledIn(cursor, stream));
}

/** What is copied elsewhere while it is recorded. */
export const copySchema = z.strictObject({
  from: streamPattern().meta({
    description: 'Which streams: scope/name, with * for any characters in each.',
    type: 'text',
  }),
  to: z.string().min(1).meta({
    description: 'Directory of the store they go to, each under its own name.',
    type: 'text',
  }),
  follow: z.boolean().prefault(true).meta({
    description: 'Go on with what is recorded; false: only what is there at the start.',
    type: 'true or false',
  }),
  begin: parsed(parseBeginning)
    .prefault('start')
    .meta({
      description:
        'Where a new copy begins, as stream cp --from: with all there is, with what comes from ' +
        'now on, or at an offset. One that was begun goes on where it was, whatever stands here.',
      type: 'start, tail or an offset',
    }),
  cursor: parsed(parseCursorPattern)
    .optional()
    .meta({
      description:
        'Name under which the source keeps how far a copy has come, as stream cp --cursor. A ' +
        'cursor is of one stream and one target: where from has a *, the name must contain ' +
        '{stream}, which stands for scope.name. Default: made from stream, target and derivation.',
      type: 'text',
    }),
  batchRecords: parsed(parseBatchRecords)
    .optional()
    .meta({
      description:
        'Most records of one transaction, as stream cp --batch-records. Default: ' +
        `${COPY_BATCH_RECORDS}, or what the target takes in one write.`,
      type: 'number',
    }),
  where: parsed(parseWhere).optional().meta({
    description:
      'Only samples for which it holds, as stream cp --where: abs(X) > 2.5. Default: all.',
    type: 'text',
  }),
  transform: group('{file: magnitude.js, options: {range: 4}}', {
    file: z.string().min(1).meta({
      description: 'ES module with a defineTransform, applied to what is kept.',
      type: 'path',
    }),
    options: z.record(z.string(), z.unknown()).optional().meta({
      description: 'Options of the transform.',
      type: 'keys',
    }),
  }).optional(),
  bandwidth: sizeBytes(1).optional().meta({
    description: 'Most bytes per second, of each stream. Default: no limit.',
    type: 'size',
  }),
  linger: durationMs(0, COPY_LINGER_MAX_MS)
    .prefault(formatDurationMs(COPY_LINGER_MS))
    .meta({
      description:
        'Time between two transactions of a stream, unless the copy is behind: with less the ' +
        'target is closer behind, with more work.',
      type: 'duration',
    }),
});

export type CopyTree = z.output<typeof copySchema>;

/** @throws CONFIG for cursors that two copies would have in common, and for the store itself */
export function copyConfigs(
  layers: Layers,
  copies: readonly CopyTree[],
  streams: readonly string[],
  dataDir: string,
): CopyConfig[] {
  const configs = copies.map(copyConfig);
  configs.forEach(({ toDataDir }, index) => {
    if (resolve(toDataDir) !== resolve(dataDir)) return;
    throw layers.error(['copies', index, 'to'], 'is store.dir: a stream would be its own copy');
  });
  checkCursors(layers, configs, streams);
  return configs;
}

function copyConfig(copy: CopyTree): CopyConfig {
  const { from, to, follow, begin, cursor, batchRecords, bandwidth, linger } = copy;
  const { where, transform } = copy;
  return {
    ...{ pattern: from, toDataDir: to, follow, begin },
    ...(cursor !== undefined && { cursor }),
    ...(batchRecords !== undefined && { batchRecords }),
    ...{ bytesPerSecond: bandwidth, lingerMs: linger },
    ...(where && { where }),
    ...(transform && { transform }),
  };
}

/** Two copies that keep their place under one name would each find the other's. */
function checkCursors(
  layers: Layers,
  configs: readonly CopyConfig[],
  streams: readonly string[],
): void {
  configs.forEach(({ pattern, cursor, toDataDir }, index) => {
    if (cursor === undefined) return;
    if (pattern.includes('*') && !cursor.includes(STREAM_PLACEHOLDER)) {
      const why = `must contain ${STREAM_PLACEHOLDER}: a cursor is of one stream`;
      throw layers.error(['copies', index, 'cursor'], why);
    }
    const other = configs.findIndex((one) => one.cursor === cursor);
    if (configs[other]!.toDataDir !== toDataDir) throw takenError(layers, cursor, index, other);
  });
  const takenBy = new Map<string, number>();
  for (const { index, stream } of copiesOf(configs, streams)) {
    const name = nameOrError(layers, configs[index]!, index, stream);
    if (name === undefined) continue;
    const other = takenBy.get(name);
    if (other !== undefined) throw takenError(layers, name, index, other);
    takenBy.set(name, index);
  }
}

/** Of each target the first that matches a stream counts. */
function copiesOf(
  configs: readonly CopyConfig[],
  streams: readonly string[],
): { index: number; stream: string }[] {
  const targets = [...new Set(configs.map(({ toDataDir }) => toDataDir))];
  return targets.flatMap((target) =>
    streams.flatMap((stream) => {
      const index = configs.findIndex(
        ({ pattern, toDataDir }) => toDataDir === target && matchesPattern(pattern, stream),
      );
      return index < 0 ? [] : [{ index, stream }];
    }),
  );
}

function nameOrError(
  layers: Layers,
  config: CopyConfig,
  index: number,
  stream: string,
): string | undefined {
  try {
    return cursorFor(config, stream);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw layers.error(['copies', index, 'cursor'], `of ${stream}: ${error.message}`);
  }
}

function takenError(layers: Layers, name: string, index: number, other: number): HelicorderError {
  const why = `"${name}" is used by copies[${other}]: a cursor is of one stream and one target`;
  return layers.error(['copies', index, 'cursor'], why);
}

export function copyValues(layers: Layers, copy: CopyTree, index: number): EffectiveValue[] {
  const { from, to, follow, begin, cursor, batchRecords, where, transform } = copy;
  const { bandwidth, linger } = copy;
  const facts = {
    ...{ from, to, follow, begin, cursor: cursor ?? null, batchRecords: batchRecords ?? null },
    ...{ where: where ?? null, transform: transform ?? null },
    bandwidth: bandwidth === undefined ? null : formatSize(bandwidth),
    linger: formatDurationMs(linger),
  };
  return Object.entries(facts).map(([name, value]) => {
    const path = ['copies', index, name];
    const { name: origin } = layers.has(path) ? layers.originOf(path) : DEFAULT_ORIGIN;
    return { key: pathText(path), value, origin };
  });
}
