import { describe, expect, test } from 'vitest';
import type { LabelBound, MetricDefinition } from './definition.ts';
import { METRICS } from './definitions.ts';
import { type OpenMetrics, openMetrics } from './open-metrics.ts';

/** The value of a series, by its name and labels as exported. */
async function sample(metrics: OpenMetrics, series: string): Promise<number | undefined> {
  const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe('metrics', () => {
  const definitions: [string, MetricDefinition][] = Object.entries(METRICS);

  test.for(definitions)(
    '%s is named and bounded by Prometheus’ conventions',
    ([name, { type, labels, help, buckets }]) => {
      expect(name).toMatch(/^kiln_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(name).not.toMatch(/_(ms|millis|minutes|mb|kb|percent)(_|$)/);
      expect(type === 'histogram').toBe(buckets !== undefined);
      if (type === 'histogram') expect(name).toMatch(/_(seconds|ratio)$/);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
      const bounds: LabelBound[] = Object.values(labels);
      const series = bounds.reduce((product, bound) => product * ('atMost' in bound ? bound.atMost : bound.length), 1);
      // Of a histogram that many times its buckets. Only requests have more: not every route has every method.
      if (name !== 'kiln_http_request_duration_seconds') expect(series).toBeLessThanOrEqual(200);
    },
  );

  test('export only what the parts of the process do', async () => {
    const metrics = await openMetrics(['worker']);
    const names = metrics.exported().map(({ name }) => name);
    expect(names).toContain('kiln_worker_slots');
    expect(names).toContain('kiln_builds_ended_total');
    expect(names).toContain('nodejs_eventloop_lag_seconds');
    expect(names).not.toContain('kiln_hosts');
    // Recording what the process doesn't export is harmless: code of several parts may share it.
    metrics.count('kiln_scheduler_failures_total', 1);
    expect(await metrics.text()).not.toContain('kiln_scheduler_failures_total');
    metrics.close();
  });

  test('begin counters at 0, so that their first event is seen as an increase', async () => {
    const metrics = await openMetrics(['scheduler']);
    expect(await sample(metrics, 'kiln_placements_total{reason="warm"}')).toBe(0);
    expect(await sample(metrics, 'kiln_scheduler_failures_total')).toBe(0);
    metrics.count('kiln_placements_total', 2, { reason: 'warm' });
    expect(await sample(metrics, 'kiln_placements_total{reason="warm"}')).toBe(2);
    metrics.close();
  });

  test('count what is out of a label’s bounds as other', async () => {
    const metrics = await openMetrics(['scheduler']);
    metrics.count('kiln_placements_total', 1, { reason: 'made_up' });
    expect(await sample(metrics, 'kiln_placements_total{reason="other"}')).toBe(1);
    metrics.close();
  });

  test('give only so many teams a series of their own, and add up the others', async () => {
    const metrics = await openMetrics(['scheduler']);
    const { atMost } = METRICS.kiln_builds_queued_by_team.labels.team;
    using _ = metrics.collect(['kiln_builds_queued_by_team'], (set) => {
      for (let i = 0; i < atMost + 100; i++) set('kiln_builds_queued_by_team', 1, { team: `team-${i}` });
    });
    expect(await sample(metrics, 'kiln_builds_queued_by_team{team="other"}')).toBe(100);
    const text = await metrics.text();
    expect(text.match(/^kiln_builds_queued_by_team\{/gm)).toHaveLength(atMost + 1);
    expect(await sample(metrics, 'kiln_builds_queued_by_team{team="other"}')).toBe(100);
    metrics.close();
  });

  test('have no value of a gauge that nothing collects any more', async () => {
    const metrics = await openMetrics(['scheduler']);
    const collecting = metrics.collect(['kiln_hosts', 'kiln_builds_queued'], (set) => {
      set('kiln_hosts', 3, { state: 'ready' });
      set('kiln_builds_queued', 7);
    });
    expect(await sample(metrics, 'kiln_hosts{state="ready"}')).toBe(3);
    collecting[Symbol.dispose]();
    expect(await sample(metrics, 'kiln_hosts{state="ready"}')).toBeUndefined();
    expect(await sample(metrics, 'kiln_builds_queued')).toBe(0);
    metrics.close();
  });
});
