/** The thread that owns a store in memory, and clients that ask it (`control/service.ts`). */
import { MIB } from '../../engine/base/constants.ts';
import { systemRandom } from '../../engine/base/clock.ts';
import { encodeEventList, type Answer } from '../../engine/control/protocol.ts';
import { ControlService, type StoreRequest } from '../../engine/control/service.ts';
import type { DurableFile } from '../../engine/files/file-system.ts';
import { StoreWriter } from '../../engine/store/write/writer.ts';
import { ManualClock } from './clocks.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { SEED, SeededRandom } from './random.ts';
import { bytes } from './stores.ts';

/** A disk that counts writes into the log, zeros ahead left out, and is full when told to be. */
class CountingDisk extends SimulatedFileSystem {
  writes = 0;
  isFull = false;

  override openDurable(path: string, direct: boolean): DurableFile {
    const file = super.openDurable(path, direct);
    return {
      path,
      direct,
      close: () => file.close(),
      write: (block, position, meanwhile) => {
        if (this.isFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        if (!path.includes('/spare-')) this.writes++;
        file.write(block, position, meanwhile);
      },
    };
  }
}

/** A store in memory, its owner, and whoever asks it. */
export function opened(): Scene {
  const disk = new CountingDisk();
  const clock = new ManualClock(1_000n, 1_700_000_000_000_000_000n, 1n);
  const writer = StoreWriter.open('/store', {
    fs: disk,
    clock,
    random: systemRandom,
    segmentBytes: MIB,
    version: 'test',
    pause: () => undefined,
  });
  return new Scene(disk, writer, clock);
}

export class Scene {
  readonly disk: CountingDisk;
  readonly writer: StoreWriter;
  readonly clock: ManualClock;
  readonly service: ControlService;
  readonly answers: Answer[] = [];
  readonly waits: string[] = [];
  #key = 0;

  constructor(disk: CountingDisk, writer: StoreWriter, clock: ManualClock) {
    this.disk = disk;
    this.writer = writer;
    this.clock = clock;
    this.service = new ControlService(
      writer,
      { clock, random: new SeededRandom(SEED) },
      {
        answer: (key, answer) => (this.answers[key] = answer),
        waiting: (message) => this.waits.push(message),
      },
    );
  }

  submit(connection: number, request: object, payload: Uint8Array = new Uint8Array(0)): number {
    this.service.submit(connection, this.#key, { id: 0, ...request } as StoreRequest, payload);
    return this.#key++;
  }

  append(connection: number, run: number, ...events: string[]): number {
    return this.submit(connection, { type: 'append', run }, encodeEventList(events.map(bytes)));
  }

  ask(connection: number, request: object, payload?: Uint8Array): Answer {
    const key = this.submit(connection, request, payload);
    this.serve();
    return this.answers[key]!;
  }

  open(connection: number, id: string, stream = 'a/b'): Extract<Answer, { type: 'opened' }> {
    const answer = this.ask(connection, { type: 'open', stream, writer: id });
    if (answer.type !== 'opened') throw new Error(`${JSON.stringify(answer)} for open`);
    return answer;
  }

  serve(): void {
    while (this.service.serve());
  }
}
