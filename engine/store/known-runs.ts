/**
 * The runs and schemas that records are of, as whoever goes through the log or its chunks learns of
 * them on the way. Where damage has taken the entry of a run, the snapshots of later segments name
 * it for as long as it was its writer's latest.
 */
import { parseSchema, type Schema } from '../batch/schema.ts';
import type { FileSystem } from '../files/file-system.ts';
import { runEntry, schemaEntry, type RunEntry, type SchemaEntry } from './control.ts';
import { KIND } from './log/format.ts';
import type { Entry } from './log/group.ts';
import { snapshotsBehind } from './segment-snapshot.ts';
import { headOf, runsIn } from './snapshot-text.ts';
import { ControlState } from './state.ts';
import type { RunInfo } from './stream-item.ts';

export class KnownRuns {
  readonly #stream: number | undefined;
  readonly #runs = new Map<number, RunEntry>();
  readonly #texts = new Map<string, string>();
  readonly #schemas = new Map<string, Schema>();
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

  /** What a segment begins with; nothing where a part of it is damaged. */
  learnSnapshot(entries: readonly Entry[]): void {
    if (!entries.every(({ intact }) => intact) || this.#learnOwn(entries)) return;
    this.learnState(ControlState.fromSnapshot(entries));
  }

  /**
   * The runs of the one stream that is asked about, as their pieces tell.
   * @returns false if only the whole snapshot can tell
   */
  #learnOwn(entries: readonly Entry[]): boolean {
    const stream = this.#stream;
    if (stream === undefined) return false;
    const pieces = entries.filter(({ kind }) => kind === KIND.snapshot);
    const head = pieces[0] && headOf(pieces[0].payload);
    if (head && stream >= head.nextStream) return true;
    const runs = pieces.flatMap(({ payload }) => [...runsIn(payload, stream)]);
    this.learn(runs, []);
    return runs.length > 0 && runs.every(({ schemaId }) => this.#texts.has(schemaId));
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
