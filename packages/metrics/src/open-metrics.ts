import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import manifest from '../package.json' with { type: 'json' };
import type { LabelBound, MetricDefinition, Part } from './definition.ts';
import { type GaugeName, METRICS, type MetricName } from './definitions.ts';
import type { Metrics, SetGauge } from './metrics.ts';

/** What is written for a label's value that is in none of its bounds. */
const OTHER = 'other';
/** How often the delay of the event loop is measured, ms. prom-client's default of 10 wakes an idle process 100 times per second. */
const LOOP_PRECISION_MS = 50;

type Labels = Readonly<Record<string, string>>;

/** Metrics that can be scraped. */
export interface OpenMetrics extends Metrics {
  readonly contentType: string;
  /** Everything in Prometheus' text format. */
  text(): Promise<string>;
  /** Name, help and type of everything that is exported, process metrics of prom-client included. */
  exported(): { readonly name: string; readonly help: string; readonly type: string }[];
  close(): void;
}

/**
 * Opens the metrics of a process that runs some parts of Kiln, in a registry of their own, with those of the process itself. prom-client
 * is only loaded here.
 */
export async function openMetrics(parts: readonly Part[]): Promise<OpenMetrics> {
  const { default: prom } = await import('prom-client');
  const registry = new prom.Registry();
  prom.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
  const own = Object.entries(METRICS as Readonly<Record<string, MetricDefinition>>).filter(([, definition]) =>
    definition.parts.some((part) => parts.includes(part)),
  );
  const kept = new Map<string, Kept>();
  for (const [name, definition] of own) {
    const options = { name, help: definition.help, labelNames: Object.keys(definition.labels), registers: [registry] };
    const instrument =
      definition.type === 'counter'
        ? new prom.Counter(options)
        : definition.type === 'gauge'
          ? new prom.Gauge(options)
          : new prom.Histogram({ ...options, buckets: [...(definition.buckets ?? [])] });
    kept.set(name, new Kept(definition, instrument));
  }
  for (const one of kept.values()) one.startAtZero();
  const metrics = new PromMetrics(registry, kept);
  metrics.collect(['kiln_version_info'], (set) => set('kiln_version_info', 1, { version: manifest.version }));
  return metrics;
}

type Instrument = Counter | Gauge | Histogram;

/** A metric and what its labels may hold. */
class Kept {
  readonly instrument: Instrument;
  readonly #definition: MetricDefinition;
  readonly #bounds: readonly [name: string, bound: Bound][];

  constructor(definition: MetricDefinition, instrument: Instrument) {
    this.#definition = definition;
    this.instrument = instrument;
    this.#bounds = Object.entries(definition.labels).map(([name, bound]) => [name, boundOf(bound)]);
  }

  /** Returns the labels with `other` for each value that is out of bounds. */
  within(labels: Labels | undefined): Labels {
    const kept: Record<string, string> = {};
    for (const [name, bound] of this.#bounds) kept[name] = bound(labels?.[name] ?? '');
    return kept;
  }

  /** A counter that appears only with its first event would hide that event from `rate`. */
  startAtZero(): void {
    const { type, labels } = this.#definition;
    const bounds = Object.entries(labels);
    const [only] = bounds;
    if (type !== 'counter' || bounds.length !== 1 || !only || !isList(only[1])) return;
    for (const value of only[1]) (this.instrument as Counter).inc({ [only[0]]: value }, 0);
  }
}

type Bound = (value: string) => string;

function boundOf(bound: LabelBound): Bound {
  if (isList(bound)) {
    const values = new Set(bound);
    return (value) => (values.has(value) ? value : OTHER);
  }
  const first = new Set<string>();
  return (value) => {
    if (first.size < bound.atMost) first.add(value);
    return first.has(value) ? value : OTHER;
  };
}

function isList(bound: LabelBound): bound is readonly string[] {
  return Array.isArray(bound);
}

class PromMetrics implements OpenMetrics {
  readonly #registry: Registry;
  readonly #kept: ReadonlyMap<string, Kept>;
  readonly #collectors = new Set<{ names: readonly GaugeName[]; read: (set: SetGauge) => void }>();

  constructor(registry: Registry, kept: ReadonlyMap<string, Kept>) {
    this.#registry = registry;
    this.#kept = kept;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  count(name: MetricName, by: number, labels?: Labels): void {
    const kept = this.#kept.get(name);
    if (kept) (kept.instrument as Counter).inc(kept.within(labels), by);
  }

  observe(name: MetricName, value: number, labels?: Labels): void {
    const kept = this.#kept.get(name);
    if (kept) (kept.instrument as Histogram).observe(kept.within(labels), value);
  }

  collect(names: readonly GaugeName[], read: (set: SetGauge) => void): Disposable {
    const collector = { names, read };
    this.#collectors.add(collector);
    return {
      [Symbol.dispose]: () => {
        this.#collectors.delete(collector);
        this.#reset(names);
      },
    };
  }

  async text(): Promise<string> {
    for (const { names, read } of this.#collectors) {
      this.#reset(names);
      const set = (name: MetricName, value: number, labels?: Labels): void => {
        const kept = this.#kept.get(name);
        // Several values may fall under `other`.
        if (kept) (kept.instrument as Gauge).inc(kept.within(labels), value);
      };
      read(set);
    }
    return await this.#registry.metrics();
  }

  exported(): { name: string; help: string; type: string }[] {
    return this.#registry.getMetricsAsArray().map(({ name, help, type }) => ({ name, help, type: String(type) }));
  }

  close(): void {
    this.#registry.clear();
  }

  #reset(names: readonly GaugeName[]): void {
    for (const name of names) this.#kept.get(name)?.instrument.reset();
  }
}
