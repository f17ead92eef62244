import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { METRICS, openMetrics } from '@kiln/metrics';
import { expect, test } from 'vitest';
import { ALERT_TESTS_FILE, ALERTS_FILE, dashboardExpressions, readAlerts, readPanels } from './observability-files.ts';

const promtool = (...args: string[]) => promisify(execFile)('promtool', args);

/** The series that metrics of a process have, by the names with which they are asked for. */
async function exportedNames(): Promise<Set<string>> {
  const metrics = await openMetrics(['api', 'scheduler', 'worker']);
  const names = metrics
    .exported()
    .flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
    );
  metrics.close();
  return new Set(names);
}

function namesIn(expr: string): string[] {
  return expr.match(/\b(?:kiln|nodejs|process)_[a-z0-9_]+/g) ?? [];
}

test('the alert rules are valid, and fire and stay silent as their tests say', async () => {
  expect((await promtool('check', 'rules', ALERTS_FILE)).stdout).toContain('SUCCESS');
  expect((await promtool('test', 'rules', ALERT_TESTS_FILE)).stdout).toContain('SUCCESS');
});

test('each alert has a test in which it fires, a severity, and says what to do', () => {
  const tests = readFileSync(ALERT_TESTS_FILE, 'utf8');
  for (const { alert, labels, annotations } of readAlerts()) {
    expect(tests, alert).toContain(`exp_samples: [{ labels: '{alertname="${alert}"}'`);
    expect(['critical', 'warning', 'info'], alert).toContain(labels.severity);
    expect(annotations.summary, alert).toMatch(/\.$/);
    expect(annotations.description, alert).toMatch(/\.$/);
  }
});

test('each metric in alerts and dashboard is exported, and the dashboard shows all of Kiln’s', async () => {
  const exported = await exportedNames();
  const shown = dashboardExpressions().flatMap(namesIn);
  const alerted = readAlerts().flatMap(({ expr }) => namesIn(expr));
  expect([...shown, ...alerted].filter((name) => !exported.has(name))).toEqual([]);
  const bare = new Set(shown.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  expect(Object.keys(METRICS).filter((name) => !bare.has(name) && name !== 'kiln_version_info')).toEqual([]);
});

test('each panel of the dashboard has a title that no other has', () => {
  const titles = readPanels().map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
  expect(titles).not.toContain('');
});
