/**
 * 30 simulated days without a network: production code of both owners and of a copier that goes on,
 * on two machines. The source records, seals and keeps all of it; the copier asks again and again.
 * When the network comes back everything drains with no human act (I13, I16), each record once.
 */
import { expect, it } from 'vitest';
import { KEEP_ALL } from '../../engine/base/retention.ts';
import type { CopyProgress } from '../../engine/txn/copier.ts';
import { count } from '../support/counts.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { copierLife, ownerLife } from './copy-actors.ts';
import { LOCAL, Site } from './copy-network.ts';
import { CopyOracle } from './copy-oracle.ts';
import { Oracle } from './oracle.ts';
import { makeGroups } from './sources.ts';
import { Weather, type UpkeepWeather } from './weather.ts';
import { World } from './world.ts';

const HOUR_MS = 3_600_000;
const OFFLINE_MS = 30 * 24 * HOUR_MS;
/** Of these the copier asks for so long, in the beginning and in the end; else it is stopped. */
const ASKING_MS = process.env['HELICORDER_SOAK'] ? OFFLINE_MS : OFFLINE_MS / 10;
/** A day has 288 samples of it: the time is what is long here. */
const PERIOD_MS = 300_000;
/** As many as fill some segments, which are sealed while nobody can be reached. */
const CHANNELS = 100;
/** Of virtual time, in which the backlog of 30 days drains. */
const DRAIN_MS = HOUR_MS / 2;
const EVENTS_MAX = 5_000_000;
const TIMEOUT_MS = 3_600_000;

class QuietWeather extends Weather {
  override readonly flushMs = HOUR_MS / 2;
  override readonly upkeep: UpkeepWeather = {
    ...{ idleMs: 6 * HOUR_MS, pauseChance: 0, budgetBytes: undefined },
    retention: [{ ...KEEP_ALL, pattern: '*' }],
  };
}

class Offline {
  readonly world: World;
  readonly #source: Site;
  readonly #target: Site;
  readonly #devices = new Oracle();
  readonly #oracle: CopyOracle;
  readonly #stream: string;
  readonly #groups;
  /** what the copier has had to say, by its kind */
  readonly progress = new Map<CopyProgress['kind'], number>();
  #isDown = false;
  #isRecorded = false;
  #isDrained = false;
  /** records of the source when the network came back; of the target in all that time */
  backlog = { source: 0, target: 0 };
  records = 0;

  constructor(random: SeededRandom) {
    this.world = new World(random, new QuietWeather(random), (same) => same);
    this.world.isCalm = true;
    this.#source = new Site(this.world, '/source');
    this.#target = new Site(this.world.addMachine(), '/target');
    const kind = { sources: 1, channels: CHANNELS, type: 'i32' as const };
    this.#groups = makeGroups(this.#devices, [{ ...kind, periodMs: PERIOD_MS }]);
    this.#stream = this.#groups[0]!.sources[0]!.stream;
    this.#oracle = new CopyOracle(this.#stream);
  }

  async scenario(): Promise<void> {
    const { world } = this;
    const recorder = this.#owner(this.#source, () => this.#isRecorded, true);
    const target = this.#owner(this.#target, () => this.#isDrained);
    await world.sleep(HOUR_MS);
    const copier = this.#copier();
    await world.sleep(HOUR_MS);
    this.#isDown = true;
    await world.sleep(ASKING_MS / 2);
    world.freeze(copier, (OFFLINE_MS - ASKING_MS) * 1e6);
    await world.sleep(OFFLINE_MS - ASKING_MS / 2);
    this.backlog = {
      source: await this.#look(this.#source),
      target: await this.#look(this.#target),
    };
    this.#isDown = false;
    await world.sleep(DRAIN_MS);
    this.#isRecorded = true;
    await recorder.finished;
    const keeper = this.#owner(this.#source, () => this.#isDrained);
    await world.sleep(DRAIN_MS);
    world.kill(copier);
    this.#isDrained = true;
    await Promise.all([target.finished, keeper.finished]);
    for (const site of [this.#source, this.#target]) await this.#look(site);
    this.records = this.#oracle.compare(this.#source, this.#target, (record) => record);
  }

  #look(site: Site): Promise<number> {
    return this.#oracle.look(this.world, site);
  }

  #owner(site: Site, isOver: () => boolean, isRecording = false) {
    const groups = isRecording ? this.#groups : [];
    const what = { site, groups, oracle: this.#oracle, devices: this.#devices, events: undefined };
    const life = { ...what, isOver };
    return this.world.spawn('owner', (process) => ownerLife(process, life), site.machine);
  }

  #copier() {
    const work = {
      ...{ source: this.#source, target: this.#target, stream: this.#stream, isOneShot: false },
      ...{ batchRecords: 10_000, batchBytes: undefined, derivation: undefined },
      line: { ...LOCAL, isDown: () => this.#isDown },
      onProgress: ({ kind }: CopyProgress) =>
        void this.progress.set(kind, 1 + (this.progress.get(kind) ?? 0)),
    };
    return this.world.spawn('copier', (process) => copierLife(process, work).then(() => {}));
  }
}

it(
  '30 days offline drain when the network comes back, and nothing is lost',
  async () => {
    const offline = new Offline(new SeededRandom(SEED));
    await offline.world.run(() => offline.scenario(), EVENTS_MAX);
    count('simulated histories');
    const { backlog, records, progress } = offline;
    const where = `HELICORDER_SEED=${SEED}`;
    const samples = OFFLINE_MS / PERIOD_MS;
    // a few of its ticks are late, and in one gap with others
    expect(backlog.source - backlog.target, where).toBeGreaterThan(samples * 0.9);
    expect(records, where).toBeGreaterThan(backlog.source);
    // it has asked all the time, and not too often
    const hours = ASKING_MS / HOUR_MS;
    expect(progress.get('failed'), where).toBeGreaterThan(hours);
    expect(progress.get('failed'), where).toBeLessThan(hours * 3600);
  },
  TIMEOUT_MS,
);
