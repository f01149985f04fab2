import { expect, it } from 'vitest';
import { turn } from '../../../engine/base/turn.ts';

it('whoever awaits turns and nothing else leaves time to timers, and rarely waits', async () => {
  let isOver = false;
  setTimeout(() => (isOver = true), 120);
  let [asked, given] = [0, 0];
  for (; !isOver; asked++) {
    const due = turn();
    if (due) given++;
    await due;
  }
  expect(given).toBeGreaterThan(0);
  expect(asked).toBeGreaterThan(100 * given);
});
