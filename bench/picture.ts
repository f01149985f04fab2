/**
 * A run as one SVG: a panel for each group of rows that belong together (throughput, distribution
 * of latencies, growth), drawn by echarts, which renders without a browser. Rows that were not
 * measured are not drawn; a run without any such row has no picture.
 *
 *   curve    quantiles of both sides, over how rare a worse value is, both axes logarithmic
 *   growth   a line from the least amount to the greatest
 *   bars     values beside their references
 */
import { init } from 'echarts';
import type { Curve } from './curve.ts';
import type { Figure, Row } from './harness.ts';
import { short, type Report } from './report.ts';

const COLUMNS_MAX = 3;
const PANEL = { width: 640, height: 340 } as const;
const MARGIN = { left: 80, top: 80, right: 30, bottom: 60 } as const;
const PLOT_WIDTH = PANEL.width - MARGIN.left - MARGIN.right;
const LABEL_WIDTH_MAX = 120;
const HEAD = 40;
const COLOUR = { recorder: '#1b6ca8', reference: '#d1701c' } as const;
/** Beyond so many times the least, bars are drawn on a logarithmic axis. */
const LINEAR_SPAN_MAX = 20;
/** Tails of a curve whose numbers are written beside it. */
const WRITTEN_TAILS = new Set([0.5, 0.1, 0.01, 0.001]);

type DrawnRow = Row & { figure: Figure; value: number };
type Number = number | null;

interface Line {
  type: 'bar' | 'line';
  color: string;
  /** of a category, or x and y */
  data: { value: Number | [number, Number]; label?: { show: boolean } }[];
  /** where numbers stand: lines of two colours keep out of each other's way */
  labels: 'top' | 'bottom';
}

/** What a panel draws, before it has its place. */
interface Drawing {
  subtext: string;
  /** undefined: how rare what is worse is, by powers of ten */
  categories: readonly string[] | undefined;
  isLogarithmic: boolean;
  lines: Line[];
}

/** @returns undefined if nothing was measured that can be drawn */
export function pictureOf({ machine, rows }: Report): string | undefined {
  const panels = new Map<string, DrawnRow[]>();
  for (const row of rows) {
    if (row.figure === null || row.value === null) continue;
    const drawn = { ...row, figure: row.figure, value: row.value };
    panels.set(row.figure.panel, [...(panels.get(row.figure.panel) ?? []), drawn]);
  }
  if (panels.size === 0) return undefined;
  // the title above them needs the width of two
  const columns = Math.min(COLUMNS_MAX, Math.max(2, panels.size));
  const chart = init(null, null, {
    ...{ renderer: 'svg', ssr: true, width: columns * PANEL.width },
    height: HEAD + Math.ceil(panels.size / columns) * PANEL.height,
  });
  try {
    const parts = [...panels].map(([name, own], i) => panelOf(name, own, i, columns));
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

function panelOf(name: string, rows: readonly DrawnRow[], index: number, columns: number) {
  const left = (index % columns) * PANEL.width;
  const top = HEAD + Math.floor(index / columns) * PANEL.height;
  const { subtext, categories, isLogarithmic, lines } = drawingOf(rows);
  const place = { xAxisIndex: index, yAxisIndex: index };
  const width = Math.min(LABEL_WIDTH_MAX, PLOT_WIDTH / (categories?.length ?? 1) - 10);
  return {
    title: {
      ...{ left: left + MARGIN.left, top: top + 8, text: `${name}, ${rows[0]!.unit}`, subtext },
      textStyle: { fontSize: 15 },
    },
    grid: {
      ...{ left: left + MARGIN.left, top: top + MARGIN.top, width: PLOT_WIDTH },
      height: PANEL.height - MARGIN.top - MARGIN.bottom,
    },
    xAxis:
      categories === undefined
        ? {
            ...{ type: 'log' as const, gridIndex: index, min: 1 },
            axisLabel: {
              formatter: (times: number) => `p${Number((100 - 100 / times).toFixed(4))}`,
            },
          }
        : {
            ...{ type: 'category' as const, gridIndex: index, data: [...categories] },
            axisLabel: { interval: 0, width, fontSize: 10, overflow: 'break' as const },
          },
    yAxis: {
      ...(isLogarithmic ? { type: 'log' as const, ...floorOf(lines) } : { type: 'value' as const }),
      gridIndex: index,
      axisLabel: { formatter: (value: number) => short(value) },
    },
    series: lines.map(({ type, color, data, labels }) => ({
      ...{ ...place, type, color, data, symbolSize: 8, barMaxWidth: 80 },
      label: {
        ...{ show: true, position: labels },
        formatter: ({ value }: { value: unknown }) => {
          return short(Number(Array.isArray(value) ? value[1] : value));
        },
      },
    })),
  };
}

function drawingOf(rows: readonly DrawnRow[]): Drawing {
  const curved = rows.find(({ curve }) => curve !== null && curve.tails.length > 1);
  if (curved) return curveOf(curved.curve!, curved.against);
  return rows.some(({ figure }) => figure.from !== undefined) ? growthOf(rows) : barsOf(rows);
}

function curveOf({ tails, subject, reference }: Curve, against: string | null): Drawing {
  const isAbove = reference === null || subject[0]! >= reference[0]!;
  const line = (values: readonly number[], color: string, labels: Line['labels']): Line => ({
    ...{ type: 'line', color, labels },
    data: tails.map((tail, i) => ({
      value: [1 / tail, drawable(values[i]!, true)],
      label: { show: WRITTEN_TAILS.has(tail) },
    })),
  });
  return {
    subtext: reference === null ? '' : `blue: recorder, orange: ${against}`,
    categories: undefined,
    isLogarithmic: true,
    lines: [
      line(subject, COLOUR.recorder, isAbove ? 'top' : 'bottom'),
      ...(reference === null
        ? []
        : [line(reference, COLOUR.reference, isAbove ? 'bottom' : 'top')]),
    ],
  };
}

/** Amounts that grow are about themselves: the reference is the least of them. */
function growthOf(rows: readonly DrawnRow[]): Drawing {
  const points = new Map<string, Number>();
  for (const { figure, value, reference } of rows) {
    if (figure.from !== undefined) points.set(figure.from, reference);
    points.set(figure.at, value);
  }
  const isLogarithmic = isWide([...points.values()]);
  const data = [...points.values()].map((value) => ({ value: drawable(value, isLogarithmic) }));
  return {
    ...{ subtext: '', isLogarithmic },
    categories: [...points.keys()],
    lines: [{ type: 'line', color: COLOUR.recorder, labels: 'top', data }],
  };
}

function barsOf(rows: readonly DrawnRow[]): Drawing {
  const against = rows.filter(({ reference }) => reference !== null);
  const names = [...new Set(against.map((row) => row.against))];
  const other = names.length === 1 ? names[0] : 'what is named below';
  const isLogarithmic = isWide(rows.flatMap(({ value, reference }) => [value, reference]));
  const bars = (color: string, numberOf: (row: DrawnRow) => Number): Line => ({
    ...{ type: 'bar', color, labels: 'top' },
    data: rows.map((row) => ({ value: drawable(numberOf(row), isLogarithmic) })),
  });
  return {
    subtext: against.length === 0 ? '' : `blue: recorder, orange: ${other}`,
    categories: rows.map(({ figure }) => figure.at),
    isLogarithmic,
    lines: [
      bars(COLOUR.recorder, ({ value }) => value),
      ...(against.length === 0 ? [] : [bars(COLOUR.reference, ({ reference }) => reference)]),
    ],
  };
}

function isWide(numbers: readonly Number[]): boolean {
  const positive = numbers.filter((number) => number !== null && number > 0) as number[];
  return Math.max(...positive) > LINEAR_SPAN_MAX * Math.min(...positive);
}

/** Where a logarithmic axis begins, and its bars stand: below the least, which is to be seen. */
function floorOf(lines: readonly Line[]): { min?: number; startValue?: number } {
  const numbers = lines.flatMap(({ data }) =>
    data.map(({ value }) => (Array.isArray(value) ? value[1] : value) ?? Infinity),
  );
  const least = Math.min(...numbers);
  if (!Number.isFinite(least)) return {};
  const min = 10 ** Math.floor(Math.log10(least / 2));
  return { min, startValue: min };
}

/** A logarithmic axis has no zero, and none has what lies beyond a histogram. */
function drawable(number: Number, isLogarithmic: boolean): Number {
  if (number === null || !Number.isFinite(number)) return null;
  return isLogarithmic && number <= 0 ? null : number;
}
