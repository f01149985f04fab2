/** What is missing before a run ends at its first tick, however late that is drained. */
import { expect, test } from 'vitest';
import { decodeGap } from '../../../engine/batch/format.ts';
import type { Channel, ChannelType } from '../../../engine/batch/schema.ts';
import { GroupDrain } from '../../../engine/collector/group-drain.ts';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingProducer } from '../../../engine/ring/ring.ts';
import { KIND } from '../../../engine/store/entries/format.ts';
import { GroupBuilder } from '../../../engine/store/log/group.ts';
import type { OpenedRun } from '../../../engine/store/write/writer.ts';
import { ManualClock } from '../../support/clocks.ts';

const SECOND = 1_000_000_000n;
const PERIOD = 2_000_000n;
const UTC_OFFSET = 1_700_000_000n * SECOND;

test.each(['i16', 'f64'] as ChannelType[])('bounds of a gap without ticks, of %s', (type) => {
  const channels: Channel[] = [{ name: 'X', type, unit: '1', scale: 1, offset: 0 }];
  const { rowBytes, validityOffset, sources } = rowLayout([{ channels }]);
  const ring = createRing(2 ** 16);
  const producer = new RingProducer(ring);
  // due 10 s after boot
  producer.claimRow(5000, 10n * SECOND, rowBytes);
  producer.commit();
  const source = { name: 's', stream: 'a/b', writer: 'w', attributes: [], samplesPerEvent: 1 };
  const schema = { kind: 'samples' as const, channels };
  const spec = {
    ...{ ring, rowBytes, validityOffset, t0Nanos: 0n, periodNanos: PERIOD, resolutionNanos: 1n },
    sources: [{ ...source, schema, channels: sources[0]!.channels }],
  };
  const bootId = 'b';
  const opened = {
    run: { id: 2, nextSeq: 1, lastTick: null, bootId },
    stream: { id: 1, nextOffset: 0 },
    before: { endReason: 'stopped', bootId, lastNanos: UTC_OFFSET + 7n * SECOND },
  } as unknown as OpenedRun;
  const drain = new GroupDrain(spec, [opened], new ManualClock(11n * SECOND));
  const builder = new GroupBuilder(2 ** 20);
  drain.drain(builder, UTC_OFFSET);
  const found = builder
    .entries()
    .all()
    .find(({ kind }) => kind === KIND.gap);
  expect(decodeGap(found!.payload).bounds).toEqual({
    minNanos: 3n * SECOND,
    maxNanos: 3n * SECOND,
  });
});
