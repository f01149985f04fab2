// The rolling RMS of a stream's first channel, as a stream of its own: over the last 1000 samples,
// every 100 samples, and how many gaps lie among them: exactly once, whatever is killed.
import { Consumer, type Channel, type SamplesItem, type StreamItem } from 'helicorder';

const [dataDir = './helicorder-data', input = 'plant/pump-3', mode = '--follow'] =
  process.argv.slice(2);
const BLOCK_SAMPLES = 100;
const WINDOW_BLOCKS = 10;

/** What the next batch needs to know of those before it; JSON keeps a double to the last bit. */
interface Window {
  /** the last whole blocks */
  blocks: Block[];
  /** the one that is not whole yet */
  block: Block;
}

interface Block {
  /** of the squares */
  sum: number;
  samples: number;
  gaps: number;
}

const NO_SAMPLES: Block = { sum: 0, samples: 0, gaps: 0 };

/** Moves the window on. @returns the events that this gives */
function add(window: Window, item: StreamItem): Uint8Array[] {
  if (item.kind === 'samples') return addSamples(window, item);
  if (item.kind === 'gap') window.block.gaps++;
  return [];
}

function addSamples(window: Window, { batch, info }: SamplesItem): Uint8Array[] {
  const { scale, offset } = (info.schema as { channels: Channel[] }).channels[0]!;
  const column = batch.columns[0]!;
  const events: Uint8Array[] = [];
  let gap = 0;
  for (let i = 0; i < batch.samples; i++) {
    for (; batch.gaps[gap]?.samplesBefore === i; gap++) window.block.gaps++;
    window.block.sum += (Number(column[i]) * scale + offset) ** 2;
    if (++window.block.samples < BLOCK_SAMPLES) continue;
    window.blocks = [...window.blocks, window.block].slice(-WINDOW_BLOCKS);
    window.block = { ...NO_SAMPLES };
    if (window.blocks.length === WINDOW_BLOCKS) events.push(event(batch.timeNanos[i]!, window));
  }
  window.block.gaps += batch.gaps.length - gap;
  return events;
}

function event(timeNanos: bigint, { blocks }: Window): Uint8Array {
  const sum = blocks.reduce((total, block) => total + block.sum, 0);
  const gaps = blocks.reduce((total, block) => total + block.gaps, 0);
  const rms = Math.sqrt(sum / (WINDOW_BLOCKS * BLOCK_SAMPLES));
  return new TextEncoder().encode(`{"TimestampNanos":${timeNanos},"Rms":${rms},"Gaps":${gaps}}`);
}

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());

const output = { stream: `${input}-rms` };
const consumer = await Consumer.open({ dataDir, stream: input, cursor: 'rolling-rms', output });
const first: Window = { blocks: [], block: { ...NO_SAMPLES } };
const window = (consumer.state as Window | undefined) ?? first;
for await (const item of consumer.read({ follow: mode === '--follow', signal: stop.signal })) {
  const events = add(window, item);
  await consumer.commit({ events, state: window });
}
await consumer.close();
