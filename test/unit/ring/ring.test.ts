import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRing, rowLayout } from '../../../engine/ring/layout.ts';
import { RingConsumer, RingProducer } from '../../../engine/ring/ring.ts';

test('every tick comes out once, in order, as a row or inside a gap, whatever the timing', () => {
  const steps = fc.array(fc.constantFrom('tick', 'late', 'drain'), { maxLength: 400 });
  fc.assert(
    fc.property(steps, fc.constantFrom(32, 40, 56, 104), (script, rowBytes) => {
      const memory = createRing(512);
      const [producer, consumer] = [new RingProducer(memory), new RingConsumer(memory)];
      let [tick, expected] = [0, 0];
      const drain = (): void => {
        for (const record of consumer.records()) {
          expect(record.kind === 'row' ? record.tick : record.firstTick).toBe(expected);
          expected += record.kind === 'row' ? 1 : record.ticks;
        }
        consumer.release();
      };
      for (const step of script) {
        if (step === 'drain') drain();
        else if (step === 'late') producer.miss(tick++, 1, 'late');
        else if (producer.claimRow(tick, 0n, rowBytes) >= 0) {
          producer.commit();
          tick++;
        } else producer.miss(tick++, 1, producer.fullReason());
      }
      producer.close();
      drain();
      expect(expected).toBe(tick);
    }),
  );
});

test('values lie at their natural alignment behind the validity words', () => {
  const plain = { unit: '1', scale: 1, offset: 0 };
  const channels = [
    { name: 'a', type: 'i8' as const, ...plain },
    { name: 'b', type: 'u64' as const, ...plain },
  ];
  const { rowBytes, sources } = rowLayout([{ channels }]);
  expect(sources[0]!.channels.map(({ rowOffset }) => rowOffset)).toEqual([32, 40]);
  expect(rowBytes).toBe(48);
});
