import type { CounterName, GaugeName, HistogramName, LabelsOf, MetricName } from './definitions.ts';

/** Labels as the last argument: required exactly if the metric has any. */
type LabelArgs<N extends MetricName> = string extends keyof LabelsOf<N> ? [] : [labels: LabelsOf<N>];

export type SetGauge = <N extends GaugeName>(name: N, value: number, ...labels: LabelArgs<N>) => void;

/** Records what happens. Cheap enough for every request, command and batch of log records. */
export interface Metrics {
  count<N extends CounterName>(name: N, by: number, ...labels: LabelArgs<N>): void;
  /** @param value in the unit of the metric's name */
  observe<N extends HistogramName>(name: N, value: number, ...labels: LabelArgs<N>): void;
  /**
   * Has `read` set gauges before each scrape. Until it is disposed of, gauges that it doesn't set have no value: those with labels are
   * missing, others are 0.
   */
  collect(names: readonly GaugeName[], read: (set: SetGauge) => void): Disposable;
}

/** Where nothing is recorded, as in tests. */
export const NO_METRICS: Metrics = {
  count() {},
  observe() {},
  collect: () => ({ [Symbol.dispose]() {} }),
};

const MS = 1000;

/** Observes a duration. @param ms in milliseconds */
export function observeMs<N extends HistogramName & `${string}_seconds`>(
  metrics: Metrics,
  name: N,
  ms: number,
  ...labels: LabelArgs<N>
): void {
  metrics.observe(name, Math.max(0, ms) / MS, ...labels);
}
