'use strict';
// Another process, which holds locks and reads marks: one JSON request a line in, one JSON reply a
// line out. It uses the addon directly, because Node 20 does not run the engine's TypeScript.
const { openSync } = require('node:fs');
const readline = require('node:readline');
const native = require('../../native/load.cjs');

let mark;

function read() {
  const words = new BigUint64Array(4);
  mark.read(words);
  return { durableLsn: Number(words[0]), word: Number(words[2]) };
}

const actions = {
  lock: ({ path, exclusive }) => native.lockFile(openSync(path, 'a+'), exclusive),
  openMark: ({ path }) => {
    mark = new native.Mark(openSync(path, 'r'), false);
    return read();
  },
  waitMark: async ({ word, timeoutMs }) => {
    await mark.wait(word, timeoutMs);
    return read();
  },
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line);
  const reply = await actions[request.action](request);
  process.stdout.write(`${JSON.stringify(reply)}\n`);
});
