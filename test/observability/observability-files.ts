import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const DIR = join(import.meta.dirname, '../../infra/observability');

export const ALERTS_FILE = join(DIR, 'alerts.yaml');
export const ALERT_TESTS_FILE = join(DIR, 'alerts.test.yaml');

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

export function readAlerts(): readonly Alert[] {
  const { groups } = parse(readFileSync(ALERTS_FILE, 'utf8')) as { groups: { rules: Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string }[];
}

/** The panels of the Grafana dashboard. */
export function readPanels(): readonly Panel[] {
  return (JSON.parse(readFileSync(join(DIR, 'dashboard.json'), 'utf8')) as { panels: Panel[] }).panels;
}

/** The expressions of the dashboard, with values for Grafana's variables. */
export function dashboardExpressions(): string[] {
  return readPanels().flatMap(({ targets = [] }) =>
    targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', '.*')),
  );
}
