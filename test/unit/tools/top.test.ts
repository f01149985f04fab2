import { describe, expect, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { setRetention } from '../../../engine/store/changes.ts';
import { Store } from '../../../engine/store/store.ts';
import { Top } from '../../../engine/tools/top.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

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
