import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@kiln/runtime/testing';
import { until } from './until.ts';

const READY_TIMEOUT_MS = 60_000;
/** How often another port is tried, if something else has taken one meanwhile. */
const MAX_STARTS = 5;

/** A real Prometheus. */
export interface TestPrometheus extends AsyncDisposable {
  /** Asks its HTTP API, and returns `data` of the answer. @throws Error with its message, as for an expression that isn't valid */
  get(path: string, query?: Record<string, string>): Promise<unknown>;
}

/** Starts a Prometheus that scrapes the given addresses, by job name, every second, and evaluates the rules of a file as often. */
export async function startPrometheus(
  jobs: Readonly<Record<string, readonly string[]>>,
  ruleFile: string,
): Promise<TestPrometheus> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-prometheus-'));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [ruleFile],
    scrape_configs: Object.entries(jobs).map(([job_name, targets]) => ({ job_name, static_configs: [{ targets }] })),
  };
  await writeFile(join(dir, 'prometheus.yml'), JSON.stringify(config));
  for (let starts = 1; ; starts++) {
    const port = await freePort();
    const started = await tryStart(dir, port);
    if (started) return started;
    if (starts === MAX_STARTS) throw new Error(`Prometheus did not start in ${MAX_STARTS} tries`);
  }
}

async function tryStart(dir: string, port: number): Promise<TestPrometheus | undefined> {
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const url = `http://127.0.0.1:${port}`;
  const isReady = async () => {
    if (child.exitCode !== null) return 'ended';
    const response = await fetch(`${url}/-/ready`).catch(() => undefined);
    return response?.ok && 'ready';
  };
  if ((await until('Prometheus is ready', isReady, READY_TIMEOUT_MS)) === 'ended') return undefined;
  return {
    async get(path, query = {}) {
      const response = await fetch(`${url}${path}?${new URLSearchParams(query)}`);
      const answer = (await response.json()) as { status: string; data: unknown; error?: string };
      if (answer.status !== 'success') throw new Error(`${JSON.stringify(query)}: ${answer.error}`);
      return answer.data;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}
