/**
 * The judge of a copy, outside of it: what a witness has seen in the source, record by record, and
 * what in the target. They must be the same, each record once and in order; what the source had
 * let go of before it was sent is there as retired, and nothing else is.
 *
 * Not checked: when the source let go of it. What it still had when it was sent, and let go of
 * later, would be taken as retired in the target.
 */
import { StoreReader } from '../../engine/store/read/reader.ts';
import { originRun } from '../../engine/store/entries/control-entries.ts';
import { StreamReader } from '../../engine/store/read/stream-reader.ts';
import { cutPiece, pieceOf } from '../../engine/targets/pieces.ts';
import { endOf } from '../../engine/txn/piece.ts';
import { recordTexts } from '../support/pieces.ts';
import type { Site } from './copy-network.ts';
import type { Process, World } from './world.ts';

const RETIRED = 'retired';
/** Who appends to the target's stream beside the copy: those records are none of its own. */
export const LOCAL_WRITER = 'local';

export class CopyOracle {
  readonly #stream: string;
  /** by site and seq: the record that was seen there */
  readonly #seen = new Map<Site, string[]>();
  /** by site: how much of it, from the beginning on, was let go of when it was last looked at */
  readonly #retired = new Map<Site, number>();

  constructor(stream: string) {
    this.#stream = stream;
  }

  /** A witness, whose disk never fails, reads all there is. @returns how many records */
  async look(world: World, site: Site): Promise<number> {
    let found: string[] = [];
    const witness = world.spawn(
      'witness',
      async (process) => {
        process.isSpared = true;
        found = await recordsOf(process, site.dir, this.#stream);
      },
      site.machine,
    );
    await witness.finished;
    this.#remember(site, found);
    return found.length;
  }

  /** What stands at an offset never changes, but that it may be retired. */
  #remember(site: Site, found: readonly string[]): void {
    const seen = this.#seen.get(site) ?? [];
    this.#seen.set(site, seen);
    this.#retired.set(site, found.lastIndexOf(RETIRED) + 1);
    found.forEach((record, offset) => {
      const before = seen[offset] ?? record;
      if (before !== record && record !== RETIRED && before !== RETIRED) {
        throw new Error(`${site.dir}: offset ${offset} was ${before}, is ${record}`);
      }
      if (before === RETIRED && record !== RETIRED) {
        throw new Error(`${site.dir}: offset ${offset} was retired and is back`);
      }
      if (record !== RETIRED || before === RETIRED) seen[offset] = record;
    });
  }

  /**
   * Everything has been copied: both were looked at since.
   * @param derived what the copy makes of a record
   * @returns records compared
   */
  compare(source: Site, target: Site, derived: (record: string) => string): number {
    const [there, here] = [this.#seen.get(source) ?? [], this.#seen.get(target) ?? []];
    if (there.length !== here.length) {
      throw new Error(`the source has ${there.length} records, the target ${here.length}`);
    }
    const retired = this.#retired.get(source) ?? 0;
    here.forEach((record, offset) => {
      const expected = there[offset]!;
      if (record === derived(expected) || (record === RETIRED && offset < retired)) return;
      throw new Error(`offset ${offset}: the source has ${expected}, the target ${record}`);
    });
    return here.filter((record) => record !== RETIRED).length;
  }
}

/** Of the copy, in order. @throws if there is a hole, a fault, or one offset twice */
async function recordsOf(process: Process, dir: string, name: string): Promise<string[]> {
  const reader = StoreReader.open(dir, process.environment);
  const stream = reader.state.streamNamed(name);
  const texts: string[] = [];
  let next = 1;
  if (stream === undefined) return texts;
  for await (const found of new StreamReader(reader, stream.id, 0).raw()) {
    if (found.kind === 'fault') throw new Error(`${dir}: ${found.fault.what}`);
    const { run, schema } = found.info;
    const whole = pieceOf(found, { ...run, run: originRun(run), schema }, 0);
    const from = Math.max(0, found.from - (whole.lo - 1));
    const piece = from > 0 ? cutPiece(whole, from, whole.seqs) : whole;
    if (piece.lo !== next) throw new Error(`${dir}: offset ${piece.lo - 1} follows ${next - 2}`);
    next = endOf(piece);
    if (run.writer === LOCAL_WRITER) continue;
    const { content, seqs } = piece;
    const isRetired = content.kind === 'gap' && content.gap.reason === 'retired';
    texts.push(...(isRetired ? Array<string>(seqs).fill(RETIRED) : recordTexts(piece)));
  }
  reader.close();
  return texts;
}
