// Records for a moment, adds an event of its own, and reads both back.
import { hostname } from 'node:os';
import { Appender, Recorder, Store, drivers, nodeFileSystem, resolveConfig } from 'helicorder';

const dataDir = process.argv[2] ?? './helicorder-data';
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

// 1. Record. The settings are those of `helicorder run`, checked by the same schema.
const { config } = resolveConfig({
  files: nodeFileSystem,
  drivers,
  environment: process.env,
  hostName: hostname(),
  flags: {
    'data-dir': dataDir,
    source: 'synthetic',
    stream: 'plant/pump-3',
    rate: '1000',
    duration: '500ms',
  },
});
const recorder = await Recorder.start(config);
recorder.on('status', ({ samples, state }) => print(`${state}: ${samples} samples`));
const summary = await recorder.finished;
print(`recorded ${summary.samples} samples of ${summary.ticksScheduled} ticks`);

// 2. Append. One owner at a time: the recorder has let go of the store. What `append` has returned
//    for is durable, and `lastSeq` says at the next start where to go on.
const notes = Appender.open(dataDir, { stream: 'plant/notes', writer: 'shift' });
const note = new TextEncoder().encode(`note ${notes.lastSeq + 1}: bearing greased`);
const { firstSeq, firstOffset } = await notes.append([note]);
notes.close();
print(`note has seq ${firstSeq} and offset ${firstOffset}`);

// 3. Read, in this or any other process, also while somebody records.
const store = Store.open(dataDir);
let samples = 0;
let missing = 0;
let peak = 0;
for await (const item of store.read('plant/pump-3')) {
  if (item.kind === 'samples') {
    const { batch, info } = item;
    const scale = info.schema.kind === 'samples' ? info.schema.channels[0]!.scale : 1;
    for (const raw of batch.columns[0]!) peak = Math.max(peak, Math.abs(Number(raw)) * scale);
    samples += batch.samples;
    for (const gap of batch.gaps) missing += gap.ticks;
  } else if (item.kind === 'gap') {
    missing += item.ticks?.count ?? 0;
  } else if (item.kind === 'fault') {
    print(`damage: ${item.fault.what}`);
  }
}
print(`read ${samples} samples, ${missing} ticks in gaps, peak ${peak.toFixed(2)} m/s²`);
for await (const item of store.read('plant/notes')) {
  if (item.kind !== 'events') continue;
  for (const event of item.events) print(new TextDecoder().decode(event));
}
store.close();
