// The length of the acceleration vector of three axes as one channel, for
//   helicorder stream cp plant/pump-3 plant/pump-3-g --transform magnitude.js
import { defineTransform } from 'helicorder';

export default defineTransform({
  // what is computed: it gets another name when that changes
  name: 'magnitude',
  options: { axes: ['X', 'Y', 'Z'], least: 0 },

  schema({ channels }, { axes }) {
    const [first] = axes.map((axis) => {
      const channel = channels.find(({ name }) => name === axis);
      if (channel === undefined) throw new Error(`there is no channel ${axis}`);
      return channel;
    });
    const { unit } = first!;
    const magnitude = { name: 'Magnitude', type: 'f32' as const, unit, scale: 1, offset: 0 };
    return { kind: 'samples', channels: [magnitude] };
  },

  // pure, sample by sample: batches are cut anywhere
  batch({ rows, physical }, { axes, least }) {
    const columns = axes.map(physical);
    const Magnitude = new Float64Array(rows);
    for (const column of columns) column.forEach((value, i) => (Magnitude[i]! += value * value));
    for (let i = 0; i < rows; i++) Magnitude[i] = Math.sqrt(Magnitude[i]!);
    return { columns: { Magnitude }, keep: Magnitude.map((length) => Number(length >= least)) };
  },
});
