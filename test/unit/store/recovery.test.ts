import {
  copyFileSync,
  cpSync,
  openSync,
  closeSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { offsetOf, segmentOf } from '../../../engine/store/entries/format.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { count } from '../../support/counts.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes, openWriter, readEvents } from '../../support/stores.ts';

const segmentFile = (dir: string, segment: number): string =>
  join(dir, 'log', `${String(segment).padStart(20, '0')}.seg`);

function overwrite(file: string, position: number, content: Uint8Array): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, content, 0, content.length, position);
  closeSync(fd);
}

/** Text that does not compress to nothing, so that groups have the size of their events. */
function eventText(number: number, length: number): string {
  const noise = Buffer.from(new SeededRandom(number).bytes(length)).toString('base64');
  return `event ${number} ${noise}`.slice(0, length);
}

/** The power went: what the mark said is gone with the machine's memory. */
function losePower(dir: string): void {
  rmSync(join(dir, 'mark'));
}

/** A store whose owner has died: `count` events, one per group; returns the groups' places. */
function crashedStore(dir: string, count: number, eventBytes = 900): number[] {
  const writer = openWriter(dir);
  const opened = beginEvents(writer);
  const ends: number[] = [writer.durableEnd];
  for (let i = 0; i < count; i++) {
    writer.appendEvents(opened, [bytes(eventText(i, eventBytes))]);
    ends.push(writer.durableEnd);
  }
  writer.abandon();
  return ends;
}

const expected = (count: number, eventBytes = 900): string[] =>
  Array.from({ length: count }, (_, i) => eventText(i, eventBytes));

describe('recovery', () => {
  it('finds everything after a crash without a torn group, and goes on behind it', async () => {
    const dir = temporaryDirectory();
    crashedStore(dir, 5);
    const writer = openWriter(dir);
    const opened = beginEvents(writer);
    expect(opened.run.firstSeq).toBe(6);
    expect(opened.run.epoch).toBeGreaterThan(opened.before!.epoch);
    expect(opened.before!.endReason).toBeNull();
    writer.appendEvents(opened, [bytes('after')]);
    writer.close();
    expect(await readEvents(dir)).toEqual([...expected(5), 'after']);
    expect((await verify(dir)).damage).toEqual([]);
  });

  it('a tail cut or garbled at every 512 bytes loses only what stood behind the cut', async () => {
    const original = join(temporaryDirectory(), 'store');
    const ends = crashedStore(original, 6, 5000);
    const last = ends.at(-1)!;
    const random = new SeededRandom(SEED);
    const start = offsetOf(ends[3]!);
    const end = offsetOf(last);
    for (let cut = start; cut < end; cut += 512) {
      for (const garble of [false, true]) {
        const dir = join(temporaryDirectory(), 'cut');
        cpSync(original, dir, { recursive: true });
        const rest = garble ? random.bytes(end - cut) : new Uint8Array(end - cut);
        losePower(dir);
        overwrite(segmentFile(dir, segmentOf(last)), cut, rest);
        count('tails cut or garbled');
        const whole = ends.filter((lsn) => offsetOf(lsn) <= cut).length - 1;
        const context = `cut at ${cut}, ${garble ? 'garbled' : 'zeros'}, seed ${SEED}`;
        await expectPrefixThenMore(dir, whole, context);
      }
    }
  });

  async function expectPrefixThenMore(dir: string, whole: number, context: string): Promise<void> {
    // a cut in a group's padding leaves the group whole
    const found = await readEvents(dir);
    expect(found.length - whole, context).toBeOneOf([0, 1]);
    const prefix = expected(found.length, 5000);
    expect(found, context).toEqual(prefix);
    const writer = openWriter(dir);
    const opened = beginEvents(writer);
    writer.appendEvents(opened, [bytes('second life')]);
    const before = writer.durableEnd;
    writer.appendEvents(opened, [bytes('cut off again')]);
    const after = writer.durableEnd;
    writer.abandon();
    losePower(dir);
    const length = offsetOf(after) - offsetOf(before);
    overwrite(
      segmentFile(dir, segmentOf(before)),
      offsetOf(before) + 72,
      new Uint8Array(length - 72),
    );
    expect(await readEvents(dir), context).toEqual([...prefix, 'second life']);
    const report = await verify(dir);
    expect(report.damage, context).toEqual([]);
    expect(report.ok, context).toBe(true);
    const third = openWriter(dir);
    third.appendEvents(beginEvents(third), [bytes('third life')]);
    third.close();
    expect(await readEvents(dir), context).toEqual([...prefix, 'second life', 'third life']);
  }

  it.each(['the newest', 'an older'])('a file of %s segment may end anywhere', async (which) => {
    const original = join(temporaryDirectory(), 'store');
    const ends = crashedStore(original, 700);
    const newest = segmentOf(ends.at(-1)!);
    const segment = which === 'the newest' ? newest : newest - 1;
    const own = ends.filter((lsn) => segmentOf(lsn) === segment).map(offsetOf);
    const places = [0, 512, 4096, own[0]! - 512, own.at(-1)!, own.at(-1)! + 4096];
    for (
      let at = own[5]!;
      at <= own[process.env['HELICORDER_SOAK'] ? own.length - 1 : 7]!;
      at += 512
    )
      places.push(at);
    for (const place of places) {
      const dir = join(temporaryDirectory(), 'cut');
      cpSync(original, dir, { recursive: true });
      losePower(dir);
      truncateSync(segmentFile(dir, segment), place);
      count('tails cut or garbled');
      await expectRestThenMore(dir, 700, `${which} segment ends at ${place}`);
    }
  });

  /** Each event once at its place or inside a gap, but for those at the end; and it goes on. */
  async function expectRestThenMore(dir: string, most: number, context: string): Promise<void> {
    const found = await readEvents(dir);
    const writer = openWriter(dir);
    writer.appendEvents(beginEvents(writer), [bytes('recording goes on')]);
    writer.close();
    const all = await readEvents(dir);
    expect(all.at(-1), context).toBe('recording goes on');
    let next = 0;
    for (const event of all.slice(0, -1)) {
      const lost = /^gap\(corrupt\)×(\d+)$/.exec(event)?.[1];
      if (lost === undefined) expect(event, context).toBe(eventText(next, 900));
      next += Number(lost ?? 1);
    }
    expect(next, context).toBeLessThanOrEqual(most);
    expect(all.slice(0, found.length), context).toEqual(found);
    await verify(dir);
  }

  it('a group that a later one names but that does not parse is damage, not torn', async () => {
    const dir = temporaryDirectory();
    const ends = crashedStore(dir, 6);
    overwrite(segmentFile(dir, 1), offsetOf(ends[2]!), new Uint8Array(64).fill(0xff));
    const report = await verify(dir);
    expect(report.ok).toBe(false);
    expect(report.damage.map((damage) => damage.offset)).toContain(String(offsetOf(ends[2]!)));
    const whole = expected(6);
    whole[2] = 'gap(corrupt)×1';
    expect(await readEvents(dir)).toEqual(whole);
    const writer = openWriter(dir);
    writer.appendEvents(beginEvents(writer), [bytes('recording goes on')]);
    writer.close();
    expect(await readEvents(dir)).toEqual([...whole, 'recording goes on']);
  });

  it('a lost end is told beside other damage, once', async () => {
    const dir = temporaryDirectory();
    const ends = crashedStore(dir, 6);
    writeFileSync(join(dir, 'catalog.db'), 'no database');
    for (const at of [ends[2]!, ends[5]!]) {
      overwrite(segmentFile(dir, 1), offsetOf(at), new Uint8Array(64).fill(0xff));
    }
    const { damage } = await verify(dir);
    const places = damage.map(({ file, offset }) => [basename(file), Number(offset)]);
    const segment = basename(segmentFile(dir, 1));
    expect(places.sort()).toEqual([
      [segment, offsetOf(ends[2]!)],
      [segment, offsetOf(ends[5]!)],
      ['catalog.db', 0],
    ]);
  });

  it('why no stream was read is told beside other damage', async () => {
    const dir = temporaryDirectory();
    openWriter(dir).close();
    for (const name of ['store.json', 'log']) rmSync(join(dir, name), { recursive: true });
    const { damage } = await verify(dir);
    const files = [join(dir, 'store.json'), join(dir, 'log'), dir];
    expect(damage.map(({ file }) => file)).toEqual(files);
  });

  it('crosses segments, with snapshots and footers that agree with the log', async () => {
    const dir = temporaryDirectory();
    crashedStore(dir, 700);
    expect(readdirSync(join(dir, 'log')).filter((name) => /^\d/.test(name)).length).toBeGreaterThan(
      2,
    );
    expect(await readEvents(dir)).toEqual(expected(700));
    const report = await verify(dir);
    expect(report).toMatchObject({ ok: true, damage: [] });
    const writer = openWriter(dir);
    expect(beginEvents(writer).run.firstSeq).toBe(701);
    writer.close();
  });

  it.each([
    ['zeros', 0],
    ['a header', 4096],
  ])('a new segment that holds no more than %s is made again', async (_, kept) => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginEvents(writer);
    let acknowledged = 0;
    for (const first = segmentOf(writer.durableEnd); ; acknowledged++) {
      writer.appendEvents(opened, [bytes(eventText(acknowledged, 50_000))]);
      if (segmentOf(writer.durableEnd) > first) break;
    }
    const newest = segmentOf(writer.durableEnd);
    writer.abandon();
    losePower(dir);
    overwrite(segmentFile(dir, newest), kept, new Uint8Array(2 ** 20 - kept));

    for (let life = 0; life < 2; life++) {
      const next = openWriter(dir);
      next.appendEvents(beginEvents(next), [bytes(`life ${life}`)]);
      next.abandon();
    }
    const events = [...expected(acknowledged, 50_000), 'life 0', 'life 1'];
    expect(await readEvents(dir)).toEqual(events);
    expect((await verify(dir)).damage).toEqual([]);
  });

  it('an event larger than a group is one run of groups, there whole or not at all', async () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const opened = beginEvents(writer);
    const large =
      'x'.repeat(10) +
      Buffer.from(new SeededRandom(1).bytes(300_000)).toString('hex').slice(0, 500_000);
    writer.appendEvents(opened, [bytes('small')]);
    const before = writer.durableEnd;
    writer.appendEvents(opened, [bytes(large)]);
    const after = writer.durableEnd;
    writer.abandon();
    expect(offsetOf(after) - offsetOf(before)).toBeGreaterThan(256 * 1024);
    expect(await readEvents(dir)).toEqual(['small', large]);
    losePower(dir);
    overwrite(segmentFile(dir, segmentOf(after)), offsetOf(after) - 4096, new Uint8Array(4096));
    expect(await readEvents(dir)).toEqual(['small']);
    const next = openWriter(dir);
    const again = beginEvents(next);
    expect(again.run.firstSeq).toBe(2);
    next.appendEvents(again, [bytes(large), bytes('after')]);
    next.close();
    expect(await readEvents(dir)).toEqual(['small', large, 'after']);
    expect(await verify(dir)).toMatchObject({ ok: true, damage: [] });
  });

  it('mark, store.json and catalog may be lost, garbled or old', async () => {
    for (const name of ['mark', 'store.json', 'catalog.db']) {
      for (const spoil of ['delete', 'garble', 'truncate'] as const) {
        const dir = temporaryDirectory();
        crashedStore(dir, 3);
        const file = join(dir, name);
        if (spoil === 'delete') cpSync(join(dir, 'lock'), file);
        else if (spoil === 'truncate') copyFileSync('/dev/null', file);
        else overwriteOrCreate(file);
        expect(await readEvents(dir), `${name} ${spoil}`).toEqual(expected(3));
        const writer = openWriter(dir);
        expect(beginEvents(writer).run.firstSeq).toBe(4);
        writer.close();
      }
    }
  });

  function overwriteOrCreate(file: string): void {
    const fd = openSync(file, 'w');
    writeSync(fd, new Uint8Array(4096).fill(0x5a));
    closeSync(fd);
  }
});
