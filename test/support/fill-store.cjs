'use strict';
// Fills a store with events that no compression makes smaller, then says so and waits for its kill.
//   node fill-store.cjs DATA_DIR FROM GROUPS GROUP_EVENTS EVENT_BYTES
// Each event begins with its number, from FROM on.
const { randomFillSync } = require('node:crypto');

const [dir, ...numbers] = process.argv.slice(2);
const [from, groups, groupEvents, eventBytes] = numbers.map(Number);

async function fill() {
  const { Appender } = await import('../../dist/engine/index.js');
  const appender = Appender.open(dir, { stream: 'bench/history', writer: 'history' });
  const noise = randomFillSync(Buffer.alloc(groupEvents * eventBytes));
  const events = Array.from({ length: groupEvents }, (_, i) =>
    noise.subarray(i * eventBytes, (i + 1) * eventBytes),
  );
  for (let number = from; number < from + groups * groupEvents; number += groupEvents) {
    events.forEach((event, i) => event.writeDoubleLE(number + i));
    await appender.append(events);
  }
  process.stdout.write('filled\n');
  setInterval(() => {}, 1000);
}

void fill();
