/**
 * The reference that every JavaScript program would write first: `setInterval` at 1 ms.
 *   node child-set-interval.js SECONDS
 * Prints {missedPercent}: slots of 1 ms, counted from the first call on, in which no call came.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { printJson } from './process.ts';

const PERIOD_MS = 1;
const seconds = Number(process.argv[2]);
let startMs: number | undefined;
let lastSlot = -1;
let visited = 0;

const timer = setInterval(() => {
  const now = monotonicMs();
  startMs ??= now;
  const slot = Math.floor((now - startMs) / PERIOD_MS);
  if (slot > lastSlot) visited++;
  lastSlot = Math.max(slot, lastSlot);
  if (now - startMs < seconds * 1000) return;
  clearInterval(timer);
  printJson({ missedPercent: 100 * (1 - visited / (lastSlot + 1)) });
}, PERIOD_MS);
