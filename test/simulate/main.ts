/** `npm run simulate`: see USAGE in options.ts, and docs/develop/placement.md. */
import { writeFile } from 'node:fs/promises';
import { saveJson, say } from '../bench/support/report.ts';
import { exportHistory } from './export-history.ts';
import { FlagError, readOptions, type SimulateOptions, USAGE } from './options.ts';
import { cacheTable, playVariants } from './report/cache-table.ts';
import type { Metrics } from './report/metrics.ts';
import { type PoolResult, poolTable } from './report/pool-table.ts';
import { runCase } from './report/run-case.ts';
import { finishChart } from './report/svg.ts';
import { caseTable, SUITE_FIGURES, type SuiteRow, suiteTable, waitTable } from './report/tables.ts';
import { makeTrace } from './trace/make-trace.ts';
import { randomPool, SMALL_SIZE } from './trace/random-pool.ts';
import type { Scenario } from './trace/scenario.ts';
import { SCENARIOS, UNSEEN } from './trace/scenarios.ts';
import type { Trace } from './trace/trace.ts';
import { readTrace, TraceFileError, writeTrace } from './trace/trace-file.ts';

async function run(options: SimulateOptions): Promise<void> {
  if (options.help) return say(USAGE);
  if (options.exportTo !== undefined) return exportHistory(options.exportTo, process.env);
  if (options.suite) return suite(options);
  if (options.pools !== undefined && options.caches) return compareCaches(options.pools, options);
  if (options.pools !== undefined) return randomPools(options.pools, options);
  const all: { trace: string; figures: Record<string, Metrics> }[] = [];
  for await (const trace of traces(options)) {
    if (options.saveTrace !== undefined) await writeTrace(options.saveTrace, trace);
    const results = runCase(trace, options.policies, options.seeds[0] ?? 1, options.depKnown);
    say(`${trace.name}: ${results[0]?.metrics.builds} builds on ${trace.hosts.length} hosts; times in seconds\n`);
    say(`${caseTable(results)}\n`);
    if (options.svg !== undefined) await writeFile(options.svg, finishChart(trace, results));
    all.push({ trace: trace.name, figures: Object.fromEntries(results.map((r) => [r.policy, r.metrics])) });
  }
  await saveJson(options.json, all);
}

async function* traces({ trace, scenarios, seeds }: SimulateOptions): AsyncGenerator<Trace> {
  if (trace !== undefined) return yield await readTrace(trace);
  for (const name of scenarios) for (const seed of seeds) yield makeTrace(scenario(name), seed);
}

async function suite({ scenarios, seeds, policies, depKnown, json }: SimulateOptions): Promise<void> {
  const begun = performance.now();
  const rows: SuiteRow[] = [];
  say(`Seeds ${seeds.join(', ')}; * not used when the constants were chosen\n`);
  for (const name of scenarios) {
    const { about } = scenario(name);
    const byPolicy = new Map<string, Metrics[]>();
    for (const seed of seeds) {
      for (const { policy, metrics } of runCase(makeTrace(scenario(name), seed), policies, seed, depKnown)) {
        byPolicy.set(policy, [...(byPolicy.get(policy) ?? []), metrics]);
      }
    }
    const unseen = UNSEEN.some((one) => one.name === name);
    rows.push({ scenario: unseen ? `${name}*` : name, byPolicy });
    say(`  ${name.padEnd(10)} ${about}`);
  }
  for (const figure of SUITE_FIGURES) say(`\n${figure.title}\n\n${suiteTable(rows, policies, figure)}`);
  say(`\nLongest wait of any build, in minutes\n\n${waitTable(rows, policies)}`);
  say(`\n${((performance.now() - begun) / 1_000).toFixed(0)} s`);
  await saveJson(
    json,
    rows.map((row) => ({ scenario: row.scenario, figures: Object.fromEntries(row.byPolicy) })),
  );
}

async function randomPools(count: number, { seeds, policies, depKnown, json }: SimulateOptions): Promise<void> {
  const [first = 1] = seeds;
  const results: PoolResult[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const pool = randomPool(seed);
    const played = runCase(
      makeTrace(pool, seed),
      ['kiln', ...policies.filter((name) => name !== 'kiln')],
      seed,
      depKnown,
    );
    const byPolicy = new Map(played.map(({ policy, metrics }) => [policy, metrics]));
    results.push({ pool: pool.name, size: `${pool.hosts} × ${pool.slots}`, load: pool.load, byPolicy });
  }
  say(poolTable(results));
  await saveJson(
    json,
    results.map(({ pool, byPolicy }) => ({ pool, figures: Object.fromEntries(byPolicy) })),
  );
}

async function compareCaches(count: number, { seeds, depKnown, json }: SimulateOptions): Promise<void> {
  const [first = 1] = seeds;
  const pools = Array.from({ length: count }, (_, i) =>
    playVariants(makeTrace(randomPool(first + i, SMALL_SIZE), first + i), first + i, depKnown),
  );
  say(`${count} small random pools, seeds ${first} to ${first + count - 1}; geometric means over the first line\n`);
  say(cacheTable(pools));
  await saveJson(json, pools);
}

function scenario(name: string): Scenario {
  const found = SCENARIOS.find((one) => one.name === name);
  if (!found) throw new FlagError('--scenario', name, 'a known one');
  return found;
}

try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof FlagError || error instanceof TraceFileError)) throw error;
  process.stderr.write(`simulate: ${error.message}\n`);
  process.exitCode = 2;
}
