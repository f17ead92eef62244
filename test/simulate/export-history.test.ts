import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRequest } from '@kiln/contracts';
import type { ConsideredHost, Outcome } from '@kiln/domain';
import { Leadership, openState, pendingBuild, type State } from '@kiln/state';
import { decisionFor, TestRedis } from '@kiln/state/testing';
import { expect, test } from 'vitest';
import { programsOfRun } from '../support/pool/programs.ts';
import { ManagedProcess } from '../support/process.ts';
import { exportHistory } from './export-history.ts';
import { readTrace } from './trace/trace-file.ts';

const TOKEN = 'a-token-of-the-export-test';
const SECRET_KEY = Buffer.alloc(32, 1);
const HOST = { name: 'h1', incarnation: 'i1', slots: 3 };
const START = Date.parse('2026-01-01T00:00:00Z');
const S = 1_000;

/** The state of a pool, on a clock that the test moves. */
class Recorded implements AsyncDisposable {
  readonly state: State;
  readonly #token: string;
  readonly #clock: { now: number };

  private constructor(state: State, token: string, clock: { now: number }) {
    this.state = state;
    this.#token = token;
    this.#clock = clock;
  }

  static async open(redisUrl: string): Promise<Recorded> {
    const clock = { now: START };
    const now = () => clock.now;
    const state = await openState({ redisUrl, namespace: 'kiln', secretKey: SECRET_KEY, onError: () => {}, now });
    const token = (await new Leadership(state.redis, state.keys, 'test', 600_000).hold()) ?? '';
    const report = {
      name: HOST.name,
      slots: HOST.slots,
      platforms: [],
      labels: {},
      driver: 'docker' as const,
      accepting: true,
    };
    const versions = { engineVersion: '1', buildxVersion: '1' };
    await state.hosts.sync({ ...report, ...versions }, { machine: 'm1', incarnation: HOST.incarnation }, 600_000);
    return new Recorded(state, token, clock);
  }

  /** Runs a build that arrives at `at` and runs for `seconds` from `starts` on, at this warmth. */
  async build(
    repo: string,
    [at, starts, seconds]: readonly [number, number, number],
    warmth: number,
    outcome: Outcome,
  ) {
    const { builds, pending, attempts } = this.state;
    this.#clock.now = START + at * S;
    const { secrets, ...request } = buildRequest.parse({
      ...{ source: { type: 'upload', name: repo, digest: `sha256:${'0'.repeat(64)}` }, weight: 2, priority: 'batch' },
    });
    const spec = { ...request, secrets: Object.keys(secrets) };
    const { build } = await builds.accept({ repo, spec, secrets });
    const { id } = build.record;
    const considered: ConsideredHost = { host: HOST.name, slots: 3, usedSlots: 0, warmth, verdict: 'chosen' };
    const decision = { ...decisionFor(id, HOST.name), considered: [considered] };
    const waiting = await builds.get(id);
    if (!waiting) throw new Error(`${id} is gone`);
    await pending.assign(pendingBuild(waiting), HOST, decision, this.#token);
    const ref = { buildId: id, attempt: 1, host: HOST.name, incarnation: HOST.incarnation };
    this.#clock.now = START + starts * S;
    await attempts.start(ref);
    this.#clock.now += seconds * S;
    await attempts.settle(ref, outcome);
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state[Symbol.asyncDispose]();
  }
}

test('exports a pool’s history as a trace that can be played', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-export-'));
  await using redis = await TestRedis.start();
  await using pool = await Recorded.open(redis.url);
  const succeeded: Outcome = { end: 'succeeded' };
  const failed: Outcome = { end: 'failed', failure: { code: 'step_failed', message: 'RUN false' } };
  const first = await pool.build('app', [0, 10, 300], 0, succeeded);
  await pool.build('app', [400, 401, 9], 1, failed);
  const second = await pool.build('app', [500, 501, 30], 0.9, succeeded);
  const api = new ManagedProcess('api', process.execPath, [(await programsOfRun()).api], {
    ...process.env,
    ...{ KILN_REDIS_URL: redis.url, KILN_SECRET_KEY: SECRET_KEY.toString('base64'), KILN_TOKEN: TOKEN },
    ...{ KILN_PORT: '0', KILN_BLOB_DIR: directory },
  });
  try {
    const { url } = await api.said('api listening');
    const file = join(directory, 'history.jsonl');
    await exportHistory(file, { KILN_URL: `${url}`, KILN_TOKEN: TOKEN });
    const { hosts, builds } = await readTrace(file);
    expect(hosts).toEqual([{ host: 'h1', slots: 3, disk: 20 }]);
    // A failed build doesn't show how long the repo's builds take.
    expect(builds.map(({ build, submitted, repo, weight, prio }) => [build, submitted, repo, weight, prio])).toEqual([
      [first, 0, 'app', 2, 2],
      [second, 500, 'app', 2, 2],
    ]);
    expect(builds[0]?.run).toMatchObject({ cold: 300 });
    expect(builds[1]?.run.warm).toBeLessThanOrEqual(30);
    expect(builds[1]?.run.cold).toBeGreaterThan(150);
  } finally {
    await api.end('SIGKILL');
    await rm(directory, { recursive: true });
  }
});
