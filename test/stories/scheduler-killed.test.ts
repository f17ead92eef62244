import { randomUUID } from 'node:crypto';
import { traceIdOf } from '@kiln/domain';
import { TraceReceiver } from '@kiln/metrics/testing';
import { afterAll, expect, test } from 'vitest';
import { readPage } from '../docs/generated.ts';
import { documentedNames } from '../docs/metrics-table.ts';
import { ALERTS_FILE, dashboardExpressions, readAlerts } from '../observability/observability-files.ts';
import { quick } from '../support/dockerfiles.ts';
import { expectWhole } from '../support/logs.ts';
import type { Role } from '../support/pool/options.ts';
import { sharedPool } from '../support/pool/start-pool.ts';
import { startPrometheus } from '../support/prometheus.ts';
import { scenario } from '../support/scenario/scenario.ts';

const receiver = await TraceReceiver.start();
afterAll(() => receiver[Symbol.asyncDispose]());

const OBSERVED = { KILN_METRICS_LISTEN: '127.0.0.1:0', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url };

const thePool = sharedPool(() => ({
  schedulers: 2,
  slots: 1,
  env: { api: OBSERVED, scheduler: OBSERVED, worker: OBSERVED },
}));

test('each process exports exactly the metrics that the docs list for it, has counted the build that has just ended, and exports its spans', async () => {
  const pool = thePool();
  const { id } = await pool.submit(quick(randomUUID()));
  expect(await pool.end(id)).toMatchObject({ state: 'succeeded', traceId: traceIdOf(id) });
  // Traces: scheduler and worker export their parts of the same one.
  const ofBuild = () => receiver.spans.filter(({ traceId }) => traceId === traceIdOf(id));
  const parents = () => {
    const nameOf = new Map(ofBuild().map(({ spanId, name }) => [spanId, name]));
    return ofBuild().map(({ name, parentSpanId = '', resource }) => {
      const short = name.startsWith('build ') ? 'build' : name;
      const parent = nameOf.get(parentSpanId)?.replace(/^build .*/, 'build');
      return `${resource['kiln.part']}: ${short} in ${parent ?? 'none'}`;
    });
  };
  await expect
    .poll(parents)
    .toEqual(
      expect.arrayContaining([
        'worker: build in none',
        'worker: queue in build',
        'worker: attempt 1 in build',
        'scheduler: placement in queue',
        expect.stringMatching(/^worker: \[.*\] FROM .* in attempt 1$/),
      ]),
    );
  const page = readPage({ file: 'docs/operate/metrics.md' });
  for (const [role, name, counted] of [
    ['api', '1', /^kiln_builds_accepted_total\{trigger="credential",mode="warm"\} [1-9]/m],
    ['scheduler', await pool.leader(), /^kiln_scheduler_leader 1$[\s\S]*^kiln_placements_total\{reason="\w+"\} [1-9]/m],
    ['worker', 'a', /^kiln_builds_ended_total\{state="succeeded",code="none"\} [1-9]/m],
  ] as const) {
    const { port } = await pool.process(role, name).said('serving metrics');
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const exported = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, metric]) => metric);
    expect(exported.toSorted(), role).toEqual(documentedNames(page, role).toSorted());
    expect(text, role).toMatch(counted);
    expect(text, role).not.toContain(id);
  }
});

test('a Prometheus scrapes all processes, and evaluates every alert and every expression of the dashboard', async () => {
  const pool = thePool();
  const addressOf = async (role: Role, name: string) => {
    const { port } = await pool.process(role, name).said('serving metrics');
    return `127.0.0.1:${port}`;
  };
  await pool.leader();
  await using prometheus = await startPrometheus(
    {
      'kiln-api': [await addressOf('api', '1')],
      'kiln-scheduler': [await addressOf('scheduler', '1'), await addressOf('scheduler', '2')],
      'kiln-worker': [await addressOf('worker', 'a')],
    },
    ALERTS_FILE,
  );
  const query = async (expr: string) => {
    const { result } = (await prometheus.get('/api/v1/query', { query: expr })) as { result: { value: unknown[] }[] };
    return result.map(({ value }) => Number(value[1]));
  };
  await expect.poll(() => query('sum(up{job=~"kiln.*"})')).toEqual([4]);
  await expect.poll(() => query('sum(kiln_scheduler_leader)')).toEqual([1]);
  const health = async () => {
    const { groups } = (await prometheus.get('/api/v1/rules')) as { groups: { rules: { health: string }[] }[] };
    return groups.flatMap(({ rules }) => rules.map((rule) => rule.health));
  };
  await expect.poll(health).toEqual(readAlerts().map(() => 'ok'));
  for (const expr of dashboardExpressions()) await query(expr);
});

test('when the leading scheduler is killed, the other one takes over: running builds continue, waiting ones are placed once', async () => {
  await scenario(thePool())
    .hang('running')
    .submit('waiting')
    .submit('waiting#2')
    .submit('waiting#3')
    .step('kill the leader, and expect another one', async ({ pool }) => {
      const leader = await pool.leader();
      await pool.kill('scheduler', leader);
      expect(await pool.leader()).not.toBe(leader);
    })
    .submit('late')
    .release('running')
    .step('expect one whole attempt of each build', async ({ pool, builds }) => {
      for (const { id } of builds) {
        expect(await pool.end(id)).toMatchObject({ state: 'succeeded', attempts: [{ end: 'succeeded' }] });
        expectWhole(await pool.log(id), 1);
      }
    })
    .run();
});

test('without any scheduler builds are accepted, and placed when a scheduler starts', async () => {
  const pool = thePool();
  await Promise.all(['1', '2'].map((name) => pool.kill('scheduler', name)));
  const { id, state } = await pool.submit(quick(randomUUID()));
  expect(state).toBe('queued');
  await pool.start('scheduler', '1');
  expect(await pool.client.waitForEnd(id)).toMatchObject({ state: 'succeeded', attempts: [{ number: 1 }] });
});
