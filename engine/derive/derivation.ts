/**
 * A derived copy: records of a stream mapped one to one on their way to a participant.
 *
 *   piece ─ where ─▶ samples that are kept ─ transform ─▶ other columns, fewer samples ─▶ piece
 *
 * Writer, epoch, seqs, offsets, ticks, times and ordinals stay what they were. What is left out
 * becomes gap(filtered), which covers exactly its seqs: inside a batch for samples, as a record of
 * its own for events. So the target's offsets are those of the source, ticks still add up, and the
 * protocol of copies (`engine/txn`) does not know that there is a derivation: exactly once is as it
 * was. The chain is over what the target gets, and takes each record that is left out for itself,
 * so that it does not matter how the source was cut into pieces
 * (`docs/decisions/0009-derived-copies.md`).
 *
 * What a derivation is (expression, name and options of a transform, routing key) is an attribute
 * of the origin of each record, so records that were derived in another way are other records. One
 * that only gives a routing key leaves all else of the records as it is.
 *
 * Belongs to one thread. Pure, but for what a user's function does.
 */
import { createHash } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { HelicorderError, type ErrorCode } from '../base/errors.ts';
import { fillTicks, fillTimes, stretchesOf } from '../batch/sample-times.ts';
import { decodeRaw, type Column } from '../batch/samples.ts';
import { ROUTING_KEY, type Schema } from '../batch/schema.ts';
import { newColumn } from '../codecs/codec.ts';
import { contentBytes } from '../txn/piece-format.ts';
import { DERIVED, type Origin, type Piece } from '../txn/piece.ts';
import { derivedBatch, derivedEvents, picked, type BatchContent } from './derived-content.ts';
import { loadTransform, type LoadedTransform, type TransformFile } from './transform-file.ts';
import { TransformRun, samplesInput } from './transform-run.ts';
import { Where, type BoundWhere } from './where.ts';

/** What a user asks for. */
export interface DerivationRequest {
  /** which samples are kept (`where.ts`) */
  where?: string;
  /** applied to what is kept */
  transform?: TransformFile;
  /** `RemoteAddr` of all that is copied, in place of its own */
  routingKey?: string;
}

/** Of one run. */
interface Plan {
  origin: Origin;
  where: BoundWhere | undefined;
}

const ID_DIGITS = 16;
const NAME_MAX_CHARACTERS = 200;

/**
 * @param code of the errors: USAGE for a command, CONFIG for a configuration
 * @returns undefined if nothing is asked for
 * @throws HelicorderError of that code
 */
export async function loadDerivation(
  { where, transform, routingKey }: DerivationRequest,
  code: ErrorCode,
): Promise<Derivation | undefined> {
  const isNone = where === undefined && transform === undefined && routingKey === undefined;
  if (isNone) return undefined;
  const parsed = where === undefined ? undefined : whereOf(where, code);
  const loaded = transform && (await loadTransform(transform, code));
  return new Derivation({ where: parsed, transform: loaded, routingKey }, code);
}

/** What is asked for, as it is applied. */
interface Parts {
  where?: Where | undefined;
  transform?: LoadedTransform | undefined;
  routingKey?: string | undefined;
}

export class Derivation {
  /** as people read it */
  readonly name: string;
  /** 16 hex digits; of name, options, expression and routing key */
  readonly id: string;
  readonly #where: Where | undefined;
  readonly #routingKey: string | undefined;
  readonly #transform: TransformRun | undefined;
  readonly #code: ErrorCode;
  readonly #plans = new WeakMap<Origin, Plan>();

  constructor(parts: Parts, code: ErrorCode) {
    const { where, transform, routingKey } = parts;
    const identity = {
      where: where?.text ?? null,
      transform: transform ? [transform.transform.name, transform.options] : null,
      // left out where there is none: a copy keeps the id that it has
      routingKey,
    };
    const digest = createHash('sha256').update(JSON.stringify(identity)).digest('hex');
    this.id = digest.slice(0, ID_DIGITS);
    this.name = nameOf(parts);
    this.#where = where;
    this.#routingKey = routingKey;
    this.#transform = transform && new TransformRun(transform, code);
    this.#code = code;
  }

  /** @throws HelicorderError if it is not for records of this schema */
  schemaOf(schema: Schema): Schema {
    this.#where?.bind(schema, this.#code);
    return this.#transform ? this.#transform.schemaOf(schema) : schema;
  }

  /** What becomes of a piece: the same seqs, in one piece or several. */
  derive(piece: Piece): Piece[] {
    const plan = this.#planOf(piece.origin);
    switch (piece.content.kind) {
      case 'batch': {
        const content = this.#batch(piece.content, piece.origin.schema, plan);
        return [{ ...piece, origin: plan.origin, bytes: contentBytes(content), content }];
      }
      case 'events':
        return this.#events(piece, plan);
      case 'gap':
        return [{ ...piece, origin: plan.origin }];
    }
  }

  #planOf(origin: Origin): Plan {
    const known = this.#plans.get(origin);
    if (known) return known;
    const schema = this.schemaOf(origin.schema);
    const before = origin.attributes.filter(([name]) => name === DERIVED);
    const others = this.#routed(origin).filter(([name]) => name !== DERIVED);
    const derived = [...before.map(([, value]) => value), `${this.name} #${this.id}`].join('; ');
    const attributes: Origin['attributes'] = [...others, [DERIVED, derived]];
    const where = this.#where?.bind(origin.schema, this.#code);
    const plan = { origin: { ...origin, schema, attributes }, where };
    this.#plans.set(origin, plan);
    return plan;
  }

  #routed({ attributes }: Origin): Origin['attributes'] {
    const key = this.#routingKey;
    if (key === undefined) return attributes;
    const others = attributes.filter(([name]) => name !== ROUTING_KEY);
    return [[ROUTING_KEY, key], ...others];
  }

  #batch(content: BatchContent, schema: Schema, { origin, where }: Plan): BatchContent {
    const { times, batch } = content;
    const { samples } = batch;
    const mask = where && whereMask(content, schema, where);
    const kept = mask ? count(mask) : samples;
    if (kept === samples && !this.#transform) return content;
    const raw = decodeRaw(times, batch, schema, kept === 0 ? [] : undefined);
    const { schema: output } = origin;
    assert(output.kind === 'samples' && schema.kind === 'samples', 'samples stay samples');
    const build = (keep: Uint8Array | undefined, columns: readonly Column[]): BatchContent =>
      derivedBatch(content, raw, keep, columns, output.channels);
    if (kept === 0) {
      return build(
        mask,
        output.channels.map(({ type }) => newColumn(type, 0)),
      );
    }
    const columns = raw.columns.map((column) => picked(column, mask));
    if (!this.#transform) return build(mask, columns);
    const stretches = stretchesOf(times.firstTick, raw.gaps);
    const input = samplesInput(schema.channels, columns, kept, {
      ticks: () => picked(fillTicks(stretches, new Float64Array(samples)), mask),
      timeNanos: () =>
        picked(fillTimes(times, stretches, raw.residuals, new BigInt64Array(samples)), mask),
    });
    const { columns: made, keep } = this.#transform.samples(input, output);
    if (keep === undefined) return build(mask, made);
    return build(
      within(mask, keep),
      made.map((column) => picked(column, keep)),
    );
  }

  #events(piece: Piece, { origin }: Plan): Piece[] {
    assert(piece.content.kind === 'events', 'events');
    if (!this.#transform) return [{ ...piece, origin }];
    return derivedEvents(piece, piece.content.events, origin, this.#transform);
  }
}

function whereOf(text: string, code: ErrorCode): Where {
  try {
    return new Where(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HelicorderError(code, `where: ${error.message}`, { cause: error });
  }
}

function nameOf({ where, transform: loaded, routingKey }: Parts): string {
  const parts = [
    ...(where ? [`where ${where.text}`] : []),
    ...(loaded ? [`${loaded.transform.name} ${JSON.stringify(loaded.options)}`] : []),
    ...(routingKey === undefined ? [] : [`${ROUTING_KEY} ${routingKey}`]),
  ];
  return parts.join(', ').slice(0, NAME_MAX_CHARACTERS);
}

function whereMask({ times, batch }: BatchContent, schema: Schema, where: BoundWhere): Uint8Array {
  const { columns } = decodeRaw(times, batch, schema, where.channels);
  return where.mask(columns, batch.samples);
}

function count(mask: Uint8Array): number {
  return mask.reduce((sum, one) => sum + one, 0);
}

/** @param inner a mask over what `outer` keeps. @returns one over all */
function within(outer: Uint8Array | undefined, inner: Uint8Array): Uint8Array {
  if (outer === undefined) return inner;
  let at = 0;
  return outer.map((one) => (one === 1 ? inner[at++]! : 0));
}
