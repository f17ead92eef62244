import { table } from '../../bench/support/report.ts';
import type { Metrics } from './metrics.ts';
import { BOUND, type CaseResult } from './run-case.ts';

const seconds = (value: number) => (value < 6_000 ? value.toFixed(0) : `${(value / 3_600).toFixed(1)} h`);
const ratio = (value: number) => (value < 9.95 ? value.toFixed(2) : value.toFixed(0));
const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** Returns all figures of one trace, a line for each policy. */
export function caseTable(results: readonly CaseResult[]): string {
  const bound = results.find(({ policy }) => policy === BOUND)?.metrics;
  const teams = results.some(({ metrics }) => metrics.unfairness > 1);
  const head = [
    '',
    'warm',
    'stale',
    'cold',
    'mean',
    'p50',
    'p95',
    'wait',
    'p95 wait',
    'longest',
    '> 30 min',
    'mean ÷',
    'p95 ÷',
  ];
  const rows = results.map(({ policy, metrics: m }) => [
    policy,
    percent(m.warmShare),
    percent(m.staleShare),
    percent(m.coldShare),
    seconds(m.meanFinish),
    seconds(m.p50Finish),
    seconds(m.p95Finish),
    seconds(m.meanWait),
    seconds(m.p95Wait),
    seconds(m.longestWait),
    percent(m.starved),
    bound ? ratio(m.meanFinish / bound.meanFinish) : '',
    bound ? ratio(m.p95Finish / bound.p95Finish) : '',
    ...(teams ? [ratio(m.unfairness)] : []),
  ]);
  return table([[...head, ...(teams ? ['team ÷ team'] : [])], ...rows]);
}

/** The figures of one scenario by policy, one entry per seed. */
export interface SuiteRow {
  readonly scenario: string;
  readonly byPolicy: ReadonlyMap<string, readonly Metrics[]>;
}

type Figure = (metrics: Metrics, bound: Metrics) => number;

export const SUITE_FIGURES: readonly {
  readonly title: string;
  readonly figure: Figure;
  readonly show: (v: number) => string;
}[] = [
  { title: 'Mean time to finish ÷ pooled-cache bound', figure: (m, b) => m.meanFinish / b.meanFinish, show: ratio },
  { title: '95th percentile of the time to finish ÷ bound', figure: (m, b) => m.p95Finish / b.p95Finish, show: ratio },
  { title: 'Builds that found a warm cache', figure: (m) => m.warmShare, show: percent },
];

/** Returns a line for each policy and a column for each scenario, with geometric means over the seeds. */
export function suiteTable(
  rows: readonly SuiteRow[],
  policies: readonly string[],
  { figure, show }: (typeof SUITE_FIGURES)[number],
): string {
  const cell = ({ byPolicy }: SuiteRow, policy: string) => {
    const bounds = byPolicy.get(BOUND) ?? [];
    const values = (byPolicy.get(policy) ?? []).map((metrics, i) => figure(metrics, bounds[i] as Metrics));
    return show(geometricMean(values));
  };
  return table([
    ['', ...rows.map(({ scenario }) => scenario)],
    ...policies.map((policy) => [policy, ...rows.map((row) => cell(row, policy))]),
  ]);
}

/** Returns the longest waits in minutes over all seeds, the bound's first. */
export function waitTable(rows: readonly SuiteRow[], policies: readonly string[]): string {
  const cell = ({ byPolicy }: SuiteRow, policy: string) =>
    (Math.max(...(byPolicy.get(policy) ?? []).map(({ longestWait }) => longestWait)) / 60).toFixed(0);
  return table([
    ['', ...rows.map(({ scenario }) => scenario)],
    ...[BOUND, ...policies].map((policy) => [policy, ...rows.map((row) => cell(row, policy))]),
  ]);
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(Math.max(1e-9, value)), 0) / Math.max(1, values.length));
}
