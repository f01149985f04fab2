import fc from 'fast-check';
import { expect, test } from 'vitest';
import { REASONS, type Reason } from '../../../engine/batch/ledger.ts';
import { createRing, rowLayout, setFullReason } from '../../../engine/ring/layout.ts';
import { RingConsumer, RingProducer } from '../../../engine/ring/ring.ts';

test('every tick comes out once, in order, as a row or inside a gap, whatever the timing', () => {
  const steps = fc.array(fc.constantFrom('tick', 'late', 'full', 'drain'), { maxLength: 400 });
  fc.assert(
    fc.property(steps, fc.constantFrom(32, 40, 56, 104), (script, rowBytes) => {
      const memory = createRing(512);
      const [producer, consumer] = [new RingProducer(memory), new RingConsumer(memory)];
      let [tick, expected, isFull] = [0, 0, false];
      const [missed, found] = [new Map<string, number>(), new Map<string, number>()];
      const add = (sums: Map<string, number>, reason: string, ticks: number): void =>
        void sums.set(reason, (sums.get(reason) ?? 0) + ticks);
      const miss = (reason: Reason): void => {
        producer.miss(tick++, 1, reason);
        add(missed, reason, 1);
      };
      const drain = (): void => {
        for (const record of consumer.records()) {
          expect(record.kind === 'row' ? record.tick : record.firstTick).toBe(expected);
          expected += record.kind === 'row' ? 1 : record.ticks;
          if (record.kind === 'gap') add(found, record.reason, record.ticks);
        }
        consumer.release();
      };
      for (const step of script) {
        if (step === 'drain') drain();
        else if (step === 'late') miss('late');
        else if (step === 'full')
          setFullReason(memory, (isFull = !isFull) ? REASONS.full : REASONS.overflow);
        else if (producer.claimRow(tick, 0n, rowBytes) >= 0) {
          producer.commit();
          tick++;
        } else miss(producer.fullReason());
      }
      producer.close();
      drain();
      expect(expected).toBe(tick);
      expect(found, 'the ticks of each reason').toEqual(missed);
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
