import { expect, test } from 'vitest';
import { EDGES, STEPS } from '../../../engine/base/failpoint.ts';

const NUMBERED = Object.keys(STEPS).filter((step) => step !== 'inside');

test('there are nine steps from the sensor to the target', () => {
  expect(NUMBERED).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test.each(NUMBERED)('step %s has an edge at which a process is killed', (step) => {
  expect(EDGES.filter((edge) => String(edge.step) === step)).not.toEqual([]);
});

test('an edge has one step', () => {
  const points = EDGES.map(({ point }) => point);
  expect(new Set(points).size).toBe(points.length);
});
