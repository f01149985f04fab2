/**
 * A run as one SVG: a panel for each group of rows that belong together (throughput, distribution
 * of latencies, growth), drawn by echarts, which renders without a browser. Rows that were not
 * measured are not drawn; a run without any such row has no picture.
 */
import { init } from 'echarts';
import type { Row } from './harness.ts';
import { short, type Report } from './report.ts';

const COLUMNS = 2;
const PANEL = { width: 640, height: 340 } as const;
const MARGIN = { left: 80, top: 80, right: 30, bottom: 60 } as const;
const HEAD = 40;
const COLOUR = { recorder: '#1b6ca8', reference: '#d1701c' } as const;

type DrawnRow = Row & { figure: { panel: string; at: string }; value: number };

/** @returns undefined if nothing was measured that can be drawn */
export function pictureOf({ machine, rows }: Report): string | undefined {
  const panels = new Map<string, DrawnRow[]>();
  for (const row of rows) {
    if (row.figure === null || row.value === null) continue;
    const drawn = { ...row, figure: row.figure, value: row.value };
    panels.set(row.figure.panel, [...(panels.get(row.figure.panel) ?? []), drawn]);
  }
  if (panels.size === 0) return undefined;
  const lines = Math.ceil(panels.size / COLUMNS);
  const chart = init(null, null, {
    ...{ renderer: 'svg', ssr: true, width: COLUMNS * PANEL.width },
    height: HEAD + lines * PANEL.height,
  });
  try {
    const parts = [...panels].map(([name, own], i) => panelOf(name, own, i));
    const { cpu, cores, kernel, measured, mode } = machine;
    chart.setOption({
      ...{ animation: false, backgroundColor: '#ffffff' },
      title: [
        {
          ...{ left: 20, top: 12, textStyle: { fontSize: 14 } },
          text: `${cpu}, ${cores} cores, Linux ${kernel}, ${measured}, ${mode} run`,
        },
        ...parts.map(({ title }) => title),
      ],
      grid: parts.map(({ grid }) => grid),
      xAxis: parts.map(({ xAxis }) => xAxis),
      yAxis: parts.map(({ yAxis }) => yAxis),
      series: parts.flatMap(({ series }) => series),
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

/** Amounts that grow are about themselves; the others stand beside their reference. */
function panelOf(name: string, rows: readonly DrawnRow[], index: number) {
  const left = (index % COLUMNS) * PANEL.width;
  const top = HEAD + Math.floor(index / COLUMNS) * PANEL.height;
  const isGrowth = rows.some((row) => row.against === row.figure.at);
  const against = isGrowth ? [] : rows.filter(({ reference }) => reference !== null);
  const numbers = rows.flatMap(({ value, reference }) => [value, reference ?? value]);
  const positive = numbers.filter((number) => number > 0);
  const isWide = positive.length > 0 && Math.max(...positive) > 20 * Math.min(...positive);
  const type: 'log' | 'value' = isWide ? 'log' : 'value';
  const names = [...new Set(against.map((row) => row.against))];
  const other = names.length === 1 ? names[0] : 'what is named below';
  return {
    title: {
      ...{ left: left + MARGIN.left, top: top + 8, text: `${name}, ${rows[0]!.unit}` },
      subtext: against.length === 0 ? '' : `blue: recorder, orange: ${other}`,
      textStyle: { fontSize: 15 },
    },
    grid: {
      ...{ left: left + MARGIN.left, top: top + MARGIN.top },
      width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    },
    xAxis: {
      ...{ type: 'category' as const, gridIndex: index, data: rows.map((row) => row.figure.at) },
      axisLabel: { interval: 0, width: 120, overflow: 'break' as const },
    },
    yAxis: {
      ...{ type, gridIndex: index },
      axisLabel: { formatter: (value: number) => short(value) },
    },
    series: [
      seriesOf(rows, index, isGrowth ? 'line' : 'bar', COLOUR.recorder, ({ value }) => value),
      ...(against.length === 0
        ? []
        : [seriesOf(rows, index, 'bar', COLOUR.reference, ({ reference }) => reference)]),
    ],
  };
}

function seriesOf(
  rows: readonly DrawnRow[],
  index: number,
  type: 'bar' | 'line',
  color: string,
  numberOf: (row: DrawnRow) => number | null,
) {
  return {
    ...{ type, xAxisIndex: index, yAxisIndex: index, symbolSize: 8, color },
    // a logarithmic axis has no zero
    data: rows.map((row) => numberOf(row) || null),
    label: {
      ...{ show: true, position: 'top' as const },
      formatter: ({ value }: { value: unknown }) => short(Number(value)),
    },
  };
}
