/**
 * `npm run bench:logs [-- --mb N --watchers N --rate MB/s --json FILE]`: measures one real build that prints `mb` at `rate`, watched by `watchers`
 * clients through one API process. For comparison, in the same run: the same build with one watcher, and a plain server that fans as many
 * bytes out to as many clients. Fails if a watcher lost, repeated or reordered anything; never on time.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import type { FanOutOrder } from './support/fan-out.ts';
import { mb, ms, saveJson, say, table } from './support/report.ts';
import { residentBytes, type SeparatePool, separatePool } from './support/separate-pool.ts';
import { tarOf } from './support/tar.ts';
import type { WatchOrder, WatchReport } from './support/watchers.ts';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '50' },
    watchers: { type: 'string', default: '500' },
    rate: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const bytes = Number(values.mb) * 1e6;
const rate = Number(values.rate) * 1e6;
const watchers = Number(values.watchers);

const CHUNK_BYTES = 25_000;
const LINE = `${'x'.repeat(99)}\n`;

interface Run extends WatchReport {
  readonly seconds: number;
  readonly memory: { readonly before: number; readonly peak: number; readonly after: number };
  readonly workerPeak: number;
}

/** Submits a build that prints `total` bytes in chunks, at `rate`. It is unique, so that nothing is cached. */
async function submitPrinter(pool: SeparatePool, total: number): Promise<string> {
  const chunks = Math.ceil(total / CHUNK_BYTES);
  const pause = (CHUNK_BYTES / rate).toFixed(4);
  const loop = `i=0; while [ $i -lt ${chunks} ]; do cat /chunk; sleep ${pause}; i=$((i+1)); done`;
  const base = process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'debian:bookworm-slim';
  const tar = await tarOf({
    Dockerfile: Buffer.from(`FROM ${base}\nCOPY chunk /chunk\nRUN : ${Date.now()}; sleep 3; ${loop}\n`),
    chunk: Buffer.from(LINE.repeat(CHUNK_BYTES / LINE.length)),
  });
  const context = { open: () => ReadableStream.from([tar]), repeatable: true };
  return (await pool.client.submit({ source: { type: 'upload', name: 'bench-logs' } }, { context })).id;
}

async function watched(pool: SeparatePool, total: number, count: number): Promise<Run> {
  const before = pool.memory('api');
  let peak = before;
  let workerPeak = 0;
  const sampler = setInterval(() => {
    peak = Math.max(peak, pool.memory('api'));
    workerPeak = Math.max(workerPeak, pool.memory('worker'));
  }, 100);
  const id = await submitPrinter(pool, total);
  const startedAt = performance.now();
  const report = await watchAll({
    url: `${pool.url}/v1/builds/${id}/logs?format=sse`,
    token: pool.token,
    watchers: count,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(sampler);
  const build = await pool.client.waitForEnd(id);
  const faults = build.state === 'succeeded' ? report.faults : [...report.faults, `the build ${build.state}`];
  return { ...report, faults, seconds, memory: { before, peak, after: pool.memory('api') }, workerPeak };
}

async function watchAll(order: WatchOrder): Promise<WatchReport> {
  const child = fork(new URL('./support/watchers.ts', import.meta.url));
  child.send(order);
  const [connected] = await once(child, 'message');
  if (connected !== 'watching') return connected as WatchReport;
  const [report] = (await once(child, 'message')) as [WatchReport];
  return report;
}

/** Has the plain server send as many bytes to as many clients as the build's watchers received. */
async function fannedOut(bytesEach: number, seconds: number): Promise<Run> {
  const server: ChildProcess = fork(new URL('./support/fan-out.ts', import.meta.url));
  server.send({ clients: watchers, bytes: bytesEach, bytesPerSecond: bytesEach / seconds } satisfies FanOutOrder);
  const [port] = (await once(server, 'message')) as [number];
  const before = residentBytes(server.pid ?? 0);
  let peak = before;
  const sampler = setInterval(() => {
    peak = Math.max(peak, residentBytes(server.pid ?? 0));
  }, 100);
  server.once('exit', () => clearInterval(sampler));
  const startedAt = performance.now();
  const report = await watchAll({ url: `http://127.0.0.1:${port}/`, token: '', watchers });
  clearInterval(sampler);
  return {
    ...report,
    seconds: (performance.now() - startedAt) / 1000,
    memory: { before, peak, after: peak },
    workerPeak: 0,
  };
}

const runs: Record<string, Run> = {};
{
  await using pool = await separatePool();
  const alone = '1 watcher';
  runs[alone] = await watched(pool, Math.min(bytes, 10e6), 1);
  runs[`${watchers} watchers`] = await watched(pool, bytes, watchers);
}
const kiln = runs[`${watchers} watchers`] as Run;
runs[`plain fan-out to ${watchers}`] = await fannedOut(kiln.bytes / watchers, bytes / rate);

say(`\nA build that prints ${mb(bytes)} at ${mb(rate)}/s, through one API process\n`);
say(
  table([
    ['', 'delivered', 'MB/s', 'p50 delay', 'p99 delay', 'memory before', 'peak', 'after', 'worker peak'],
    ...Object.entries(runs).map(([name, run]) => [
      name,
      mb(run.bytes),
      (run.bytes / 1e6 / run.seconds).toFixed(0),
      ms(run.delayMs.p50),
      ms(run.delayMs.p99),
      mb(run.memory.before),
      mb(run.memory.peak),
      mb(run.memory.after),
      run.workerPeak > 0 ? mb(run.workerPeak) : '',
    ]),
  ]),
);
say(
  `\n  ${kiln.slow} of the ${watchers} watchers were slow on purpose; delays are measured from BuildKit's timestamp to a watcher that reads each record`,
);
const faults = Object.entries(runs).flatMap(([name, run]) => run.faults.map((fault) => `${name}: ${fault}`));
say(faults.length === 0 ? '  nothing lost, repeated or reordered\n' : `\n${faults.join('\n')}\n`);
await saveJson(values.json, runs);
process.exitCode = faults.length === 0 ? 0 : 1;
