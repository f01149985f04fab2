/**
 * A distribution of latencies as a curve: how late the worst of so many are. An arm that has all of
 * its values, or a histogram of them, adds the quantiles of these tails to its numbers; the row
 * that draws them takes medians over the rounds, tail by tail.
 */
import { median } from './stats.ts';

type Numbers = Readonly<Record<string, number>>;

/** Shares of the worst values: 0.01 stands for the p99. */
export const TAILS = [
  ...[0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001],
  ...[0.0005, 0.0002, 0.0001],
] as const;

export interface Curve {
  tails: number[];
  subject: number[];
  reference: number[] | null;
}

const keyOf = (tail: number): string => `tail${tail}`;

/** @param count of the values: a tail with less than one of them says nothing */
export function tailsOf(count: number, quantile: (quantile: number) => number): Numbers {
  const told = TAILS.filter((tail) => tail * count >= 1);
  return Object.fromEntries(told.map((tail) => [keyOf(tail), quantile(1 - tail)]));
}

/** Where both sides have, in each round, enough values. */
export function curveOf(subject: readonly Numbers[], reference?: readonly Numbers[]): Curve {
  const all = [...subject, ...(reference ?? [])];
  const tails = TAILS.filter((tail) => all.every((numbers) => keyOf(tail) in numbers));
  const medians = (rounds: readonly Numbers[]): number[] =>
    tails.map((tail) => median(rounds.map((numbers) => numbers[keyOf(tail)]!)));
  return { tails, subject: medians(subject), reference: reference ? medians(reference) : null };
}
