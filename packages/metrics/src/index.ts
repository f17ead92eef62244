export type { MetricDefinition, Part } from './definition.ts';
export { METRICS, type MetricName } from './definitions.ts';
export { type Metrics, NO_METRICS, observeMs } from './metrics.ts';
export { type OpenMetrics, openMetrics } from './open-metrics.ts';
export { type ListenAddress, metricsEnv } from './serve-metrics.ts';
export { countedState, startMetrics } from './start-metrics.ts';
export { startTraces, type Traces, type TracesSettings, tracesEnv } from './traces/open-traces.ts';
