/**
 * The runs and schemas that records are of, as whoever goes through the log or its chunks learns of
 * them on the way. Where damage has taken the entry of a run, the snapshots of later segments name
 * it for as long as it was its writer's latest.
 */
import { parseSchema, type Schema } from '../../batch/schema.ts';
import type { FileSystem } from '../../files/file-system.ts';
import {
  runEntry,
  schemaEntry,
  type RunEntry,
  type SchemaEntry,
} from '../entries/control-entries.ts';
import { KIND, makeLsn } from '../entries/format.ts';
import { readSnapshot, runAtBeginning, snapshotsBehind } from './segment-snapshot.ts';
import type { ControlState } from './state.ts';

/** Of records: the run, and the schema that it has. */
export interface RunInfo {
  run: RunEntry;
  schema: Schema;
}

export class KnownRuns {
  readonly #stream: number | undefined;
  readonly #runs = new Map<number, RunEntry>();
  readonly #texts = new Map<string, string>();
  readonly #schemas = new Map<string, Schema>();
  /** by run, the segment that had no more to tell of it */
  readonly #askedIn = new Map<number, number>();
  #hasLookedAhead = false;

  /** @param stream whose runs are wanted; undefined: those of all */
  constructor(stream?: number) {
    this.#stream = stream;
  }

  /** @returns undefined if the entry of the run, or that of its schema, is not known */
  of(id: number): RunInfo | undefined {
    const run = this.#runs.get(id);
    const schema = run && this.#schemaOf(run.schemaId);
    return run && schema && { run, schema };
  }

  get runs(): Iterable<RunEntry> {
    return this.#runs.values();
  }

  #schemaOf(id: string): Schema | undefined {
    const known = this.#schemas.get(id);
    const text = this.#texts.get(id);
    if (known || text === undefined) return known;
    const schema = parseSchema(text);
    this.#schemas.set(id, schema);
    return schema;
  }

  schemaText(id: string): string | undefined {
    return this.#texts.get(id);
  }

  learn(runs: Iterable<RunEntry>, schemas: Iterable<SchemaEntry>): void {
    for (const { id, schema } of schemas) this.#texts.set(id, schema);
    for (const run of runs) this.#runs.set(run.id, run);
  }

  learnState(state: ControlState): void {
    const stream = this.#stream;
    for (const [id, text] of state.schemas) this.#texts.set(id, text);
    this.learn(stream === undefined ? state.runs.values() : state.writersOf(stream), []);
  }

  /**
   * Makes sure that a run is known which has records in `segment`, as far as what that begins with
   * tells: it names every run that goes on there.
   * @throws ENOENT if the segment has gone
   */
  learnIn(id: number, fs: FileSystem, logDir: string, segment: number): void {
    if (this.of(id) !== undefined || this.#askedIn.get(id) === segment) return;
    const end = makeLsn(segment + 1, 0);
    const run = runAtBeginning(fs, logDir, segment, id, end)?.value;
    this.#askedIn.set(id, segment);
    if (run === undefined) return;
    this.learn([run], []);
    // the state has all schemas there are, but where damage has taken one
    const state = this.of(id) ? undefined : readSnapshot(fs, logDir, segment, end);
    if (state) this.learnState(state);
  }

  /** An intact entry of the log. */
  learnEntry(kind: number, payload: Uint8Array): void {
    if (kind === KIND.schema) this.learn([], [schemaEntry.decode(payload)]);
    if (kind !== KIND.run) return;
    const run = runEntry.decode(payload);
    if (this.#stream === undefined || run.stream === this.#stream) this.learn([run], []);
  }

  /**
   * The same as `of`, after a look at the snapshots behind `segment`. One look is enough: what none
   * of them names is named nowhere.
   */
  ofAhead(id: number, fs: FileSystem, logDir: string, segment: number): RunInfo | undefined {
    const known = this.of(id);
    if (known || this.#hasLookedAhead) return known;
    this.#hasLookedAhead = true;
    for (const state of snapshotsBehind(fs, logDir, segment)) this.learnState(state);
    return this.of(id);
  }
}
