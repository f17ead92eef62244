import { METRICS, type MetricDefinition, openMetrics } from '@kiln/metrics';

const ALL_PARTS = 3;
/** Longer lists of values are described instead. */
const MAX_VALUES = 8;

const metrics = await openMetrics([]);
const PROCESS = metrics.exported().filter(({ name }) => !Object.hasOwn(METRICS, name));
metrics.close();

/** The tables of docs/operate/metrics.md: Kiln's own metrics, and those of each process. */
export function metricsTable(): string {
  const own = Object.entries(METRICS as Readonly<Record<string, MetricDefinition>>).map(([name, one]) => {
    const labels = Object.entries(one.labels).map(([label, bound]) => `\`${label}\`${valuesText(bound)}`);
    const parts = one.parts.length === ALL_PARTS ? 'all' : one.parts.join(', ');
    return `| \`${name}\` | ${one.type} | ${parts} | ${labels.join('; ')} | ${one.help} |`;
  });
  return [
    '| metric | type | process | labels | |',
    '| --- | --- | --- | --- | --- |',
    ...own,
    '',
    'Of every process, whatever it runs:',
    '',
    '| metric | type | |',
    '| --- | --- | --- |',
    ...PROCESS.map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`),
  ].join('\n');
}

function valuesText(bound: MetricDefinition['labels'][string]): string {
  if ('atMost' in bound) return ` (at most ${bound.atMost} ${bound.what}, then \`other\`)`;
  return bound.length > MAX_VALUES ? ` (${bound.length} values)` : `: ${bound.join(', ')}`;
}

/** Names in the table's rows for a part of Kiln, read from the page. */
export function documentedNames(page: string, part: string): string[] {
  return page.split('\n').flatMap((line) => {
    const [, name, type, parts] = line.split('|').map((cell) => cell.trim());
    if (!name?.startsWith('`') || !TYPES.has(type ?? '')) return [];
    const isOwn = name.startsWith('`kiln_');
    return !isOwn || parts === 'all' || parts?.split(', ').includes(part) ? [name.replaceAll('`', '')] : [];
  });
}

const TYPES = new Set(['counter', 'gauge', 'histogram', 'summary']);
