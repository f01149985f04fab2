import { describe, expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { setRetention } from '../../../engine/store/write/changes.ts';
import { Store } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { Top } from '../../../engine/tools/top.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

describe('top, whoever owns the store', () => {
  const STREAM = 'test/events';

  /** One event of an owner that begins now. */
  function ownerOf(dir: string): StoreWriter {
    const writer = openWriter(dir);
    writer.appendEvents(beginEvents(writer), [bytes('an event')]);
    return writer;
  }

  const seenBy = (top: Top): string => {
    const { owned, streams } = top.look();
    expect(streams.map(({ name }) => name)).toEqual([STREAM]);
    return `${owned ? 'owned' : 'left'} ${streams[0]!.records}`;
  };

  test('its looks go on when the owner goes, and when others come', () => {
    const dir = temporaryDirectory();
    ownerOf(dir).close();
    const store = Store.open(dir);
    const top = new Top(store);
    for (let look = 0; look < 2; look++) expect(seenBy(top)).toBe('left 1');
    for (let owner = 2; owner < 5; owner++) {
      const writer = ownerOf(dir);
      expect(seenBy(top)).toBe(`owned ${owner}`);
      expect(seenBy(top)).toBe(`owned ${owner}`);
      writer.close();
      expect(seenBy(top)).toBe(`left ${owner}`);
      expect(seenBy(top)).toBe(`left ${owner}`);
    }
    store.close();
  });

  test('they go on if owners have come and gone between two of them', () => {
    const dir = temporaryDirectory();
    const first = ownerOf(dir);
    const store = Store.open(dir);
    const top = new Top(store);
    expect(seenBy(top)).toBe('owned 1');
    first.close();
    const second = ownerOf(dir);
    expect(seenBy(top)).toBe('owned 2');
    second.close();
    ownerOf(dir).close();
    expect(seenBy(top)).toBe('left 3');
    ownerOf(dir).close();
    ownerOf(dir).close();
    expect(seenBy(top)).toBe('left 5');
    store.close();
  });
});

describe('what top says of the disk', () => {
  test('it measures against the budget that the store was told', () => {
    const dir = temporaryDirectory();
    const writer = openWriter(dir);
    const budget = { bytes: 20 * MIB, minFreeBytes: 0 };
    setRetention(writer, { budget, rules: [] });
    writer.appendEvents(beginEvents(writer), [bytes('an event')]);
    const store = Store.open(dir);
    const top = new Top(store);
    expect(top.look().disk).toMatchObject({ limitBytes: String(20 * MIB), fullInSeconds: null });
    expect(top.look({ fullInSeconds: 430 }).disk.fullInSeconds).toBe(430);
    expect(top.look({ fullInSeconds: null }).disk.fullInSeconds).toBeNull();
    store.close();
    writer.close();
  });
});
