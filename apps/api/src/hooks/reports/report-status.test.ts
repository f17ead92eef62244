import type { BuildView, ConnectionRequest, DeliveryView } from '@kiln/contracts';
import { hangs, says } from '@kiln/forges/testing';
import { allowedHosts } from '@kiln/runtime';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestApi } from '../../testing/test-api.ts';
import { eventually, hook, recordedEvent, repositoryOf, TestForge } from '../../testing/test-forge.ts';

const CONFIG = 'version: 1\non: { push: null }\nimages: [{ name: api }]\n';
const REPO = repositoryOf('github');
const RESULT = { end: 'succeeded', steps: { total: 20, cached: 12 }, result: {} } as const;
const LOOPBACK = allowedHosts.parse('loopback');
let redis: TestRedis;
let api: TestApi;
let forge: TestForge;
let commit: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  api = await TestApi.start(
    { hookRetryMs: 5, hookSendTimeoutMs: 400, publicUrl: 'https://kiln.example/' },
    { redis, allowed: LOOPBACK },
  );
  forge = await TestForge.start(api);
  commit = forge.git.commit({ '.kiln.yaml': CONFIG });
  return async () => {
    await forge[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  };
});

/** Pushes the commit. Returns the delivery and its build. */
async function pushed(more: Partial<ConnectionRequest> = {}): Promise<{ id: string; build: string }> {
  await forge.connect('github', more);
  return again();
}

async function again(): Promise<{ id: string; build: string }> {
  const event = recordedEvent('github', 'push');
  if (event.type !== 'push' || event.after === null) throw new Error('no push');
  const delivery: DeliveryView = await forge.delivered(hook('github', 'push', { commits: { [event.after]: commit } }));
  return { id: delivery.id, build: delivery.builds[0] ?? '' };
}

const bodies = () => forge.statuses.seen.map(({ body }) => body as Record<string, string>);
const states = () => bodies().map(({ description }) => description);
const reported = (count: number) => eventually(() => forge.statuses.seen.length >= count);

/** Runs the build to its end, as a host does. */
async function run(build: string, whileRunning: () => Promise<void> = async () => {}) {
  const attempt = await api.run(build);
  await whileRunning();
  await attempt.settle(RESULT);
}

describe('a commit’s status', () => {
  test('goes from pending to running to the result, with link, time and cached steps', async () => {
    const { build } = await pushed();
    await reported(1);
    await run(build, () => reported(2));
    await reported(3);
    expect(forge.statuses.seen.map(({ method, path }) => [method, path])).toEqual(
      Array(3).fill(['POST', `/repos/${REPO}/statuses/${commit}`]),
    );
    expect(forge.statuses.seen[0]?.headers.authorization).toBe('Bearer status-token');
    expect(bodies().map(({ state }) => state)).toEqual(['pending', 'pending', 'success']);
    expect(states()).toEqual([
      'Waiting for a host',
      'Building',
      expect.stringMatching(/^Built in \d+ s, 12 of 20 steps cached$/),
    ]);
    for (const body of bodies()) {
      expect(body).toMatchObject({
        context: 'kiln/api',
        target_url: `https://kiln.example/v1/builds/${build}/logs?format=text`,
      });
    }
  });

  test('shows why a build failed, and that a build was canceled', async () => {
    const { build } = await pushed();
    const attempt = await api.run(build);
    await attempt.settle({
      end: 'failed',
      failure: { code: 'step_failed', message: 'RUN npm test: exit code 1\nmore' },
    });
    await eventually(() => bodies().at(-1)?.state === 'failure');
    expect(states().at(-1)).toMatch(/^Failed after \d+ s: RUN npm test: exit code 1$/);
    const other = await again();
    await api.fetch(`/v1/builds/${other.build}/cancel`, { method: 'POST' });
    await eventually(() => states().at(-1) === 'Canceled');
    expect(bodies().at(-1)?.state).toBe('error');
  });

  test('follows a retry of the build', async () => {
    const { build } = await pushed();
    await (await api.run(build)).settle({ end: 'failed', failure: { code: 'step_failed', message: 'no' } });
    await eventually(() => bodies().at(-1)?.state === 'failure');
    const answer = await api.fetch(`/v1/builds/${build}/retry`, { method: 'POST' });
    const { id } = (await answer.json()) as BuildView;
    await eventually(() => bodies().at(-1)?.state === 'pending');
    expect(bodies().at(-1)).toMatchObject({ context: 'kiln/api', target_url: expect.stringContaining(id) });
    await run(id);
    await eventually(() => bodies().at(-1)?.state === 'success');
  });

  test('as a check run is created once, and then updated by the forge’s id', async () => {
    const { build } = await pushed({ checks: true });
    await reported(1);
    await run(build, () => reported(2));
    await reported(3);
    expect(forge.statuses.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `POST /repos/${REPO}/check-runs`,
      ...Array(2).fill(`PATCH /repos/${REPO}/check-runs/7`),
    ]);
    expect(bodies().at(-1)).toMatchObject({ status: 'completed', conclusion: 'success', external_id: build });
    await again();
    await reported(4);
    expect(forge.statuses.seen[3]?.method).toBe('POST');
  });
});

describe('the order of reports', () => {
  test('skips states that have passed while the forge was slow', async () => {
    const slow: (() => void)[] = [];
    forge.statuses.next((response) => slow.push(() => response.writeHead(201).end('{}')));
    const { build } = await pushed();
    await eventually(() => slow.length === 1);
    await run(build);
    slow[0]?.();
    await reported(2);
    await eventually(async () => (await api.state.reports.targetOf(build)) === undefined);
    expect(states()).toEqual(['Waiting for a host', expect.stringMatching(/^Built/)]);
  });

  test('shows the newest build of a commit', async () => {
    const older = await pushed();
    await reported(1);
    const newer = await again();
    await reported(2);
    await run(older.build);
    await run(newer.build);
    await eventually(() => states().at(-1)?.startsWith('Built') === true);
    const links = bodies().map(({ target_url }) => target_url?.includes(newer.build));
    expect(links.indexOf(true)).toBe(1);
    expect(links.slice(1).every(Boolean)).toBe(true);
  });
});

describe('a forge that', () => {
  test('fails, hangs or breaks off gets the report again until it accepts it', async () => {
    forge.statuses.next(says(500), hangs, says(502));
    const { build } = await pushed();
    await reported(4);
    expect(states()).toEqual(Array(4).fill('Waiting for a host'));
    await run(build);
    await eventually(() => states().at(-1)?.startsWith('Built') === true);
  });

  test('answers 429 with Retry-After gets the report again only after that time', async () => {
    const times: number[] = [];
    forge.statuses.next(
      (response) => {
        times.push(performance.now());
        response.writeHead(429, { 'retry-after': '1' }).end('{}');
      },
      (response) => {
        times.push(performance.now());
        response.writeHead(201).end('{}');
      },
    );
    await pushed();
    await reported(2);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(900);
  });

  test('refuses for good isn’t asked again; the delivery shows why, and the build is unaffected', async () => {
    forge.statuses.next(
      ...Array.from({ length: 10 }, () => says(401, {}, '{"message":"Bad credentials status-token"}')),
    );
    const { id, build } = await pushed();
    await reported(1);
    const shown = await forge.until(id, ({ reports }) => reports?.[0]?.gaveUp === true);
    expect(shown.reports).toMatchObject([{ context: 'kiln/api', commit, build, why: expect.stringContaining('401') }]);
    expect(JSON.stringify(shown)).not.toContain('status-token');
    await run(build);
    expect(await api.view(build)).toMatchObject({ state: 'succeeded' });
    await eventually(async () => (await api.state.reports.targetOf(build)) === undefined);
    expect(api.logged.join('')).not.toContain('status-token');
  });
});

test('reports what happened without any API process as soon as one starts', async () => {
  const { build } = await pushed();
  await reported(1);
  await api.api.close();
  await run(build);
  expect(forge.statuses.seen).toHaveLength(1);
  await using _next = await TestApi.start(
    { hookRetryMs: 5 },
    { redis, allowed: LOOPBACK, namespace: api.state.keys.prefix.slice(1, -2) },
  );
  await eventually(() => states().at(-1)?.startsWith('Built') === true);
});

test('reports nothing without an API token', async () => {
  const { id, build } = await pushed({ apiToken: null });
  await run(build);
  expect(await forge.delivery(id)).toMatchObject({ reports: [] });
  expect(forge.statuses.seen).toEqual([]);
});
