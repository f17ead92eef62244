import { Readable } from 'node:stream';
import { artifactKey, buildView, type LogRecord, placementView } from '@kiln/contracts';
import { afterEach, describe, expect, test } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { readUntil, textReader } from '../testing/read-until.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};

const cancel = (id: string) => api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
const followUp = () => api.state.followUps.run();
const note = (n: number): LogRecord => ({ t: n, type: 'note', message: `note ${n}` });
const CANCELED = { end: 'canceled', failure: { code: 'canceled', message: 'canceled' } } as const;
const KEYED = { concurrencyKey: 'main', supersede: 'running' } as const;
const SAME = { dedupe: true, source: { type: 'git', url: 'https://git.example/app', ref: 'a'.repeat(40) } } as const;

/** Every record as `<id> <type>`, and the state and code of the last one. */
async function log(id: string, query = 'format=ndjson', headers: Record<string, string> = {}) {
  const answer = await api.fetch(`/v1/builds/${id}/logs?${query}`, { headers });
  const records = (await answer.text())
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const last = records.at(-1);
  return {
    status: answer.status,
    records: records.map(({ id, type }) => `${id} ${type}`),
    end: last?.type === 'end' ? [last.state, last.failure?.code] : undefined,
  };
}

describe('a superseded build', () => {
  test('names the newer build in its view and log', async () => {
    await start();
    const [waits, newer] = [await api.submit(KEYED), await api.submit(KEYED)];
    const view = buildView.parse(await api.view(waits.id));
    expect(view).toMatchObject({
      ...{ state: 'canceled', supersededBy: newer.id },
      failure: { code: 'superseded', message: expect.stringContaining(newer.id) },
    });
    expect(await log(waits.id)).toEqual({ status: 200, records: ['1.1 end'], end: ['canceled', 'superseded'] });
  });

  test('is stopped if it runs, and its watchers learn the reason', async () => {
    await start();
    const runs = await api.submit(KEYED);
    const attempt = await api.run(runs.id);
    const watching = log(runs.id);
    const newer = await api.submit(KEYED);
    expect(buildView.parse(await api.view(runs.id))).toMatchObject({
      ...{ state: 'running', supersededBy: newer.id, cancelRequestedAt: expect.any(String) },
    });
    await attempt.settle(CANCELED);
    expect((await watching).end).toEqual(['canceled', 'superseded']);
    expect(await api.view(newer.id)).toMatchObject({ state: 'queued' });
  });

  test('supersedes newer builds when it is retried, but not when its request is repeated', async () => {
    await start();
    const key = { 'idempotency-key': 'once' };
    const body = { source: { type: 'git', url: 'https://git.example/app' }, ...KEYED };
    const old = buildView.parse(await (await api.post('/v1/builds', body, key)).json());
    const between = await api.submit({ ...KEYED, target: 'between' });
    const repeated = buildView.parse(await (await api.post('/v1/builds', body, key)).json());
    expect(repeated).toMatchObject({ id: old.id, state: 'canceled' });
    expect(await api.view(between.id)).toMatchObject({ state: 'queued' });
    const retried = buildView.parse(await (await api.post(`/v1/builds/${old.id}/retry`, '')).json());
    expect(await api.view(between.id)).toMatchObject({ state: 'canceled', supersededBy: retried.id });
    expect(await api.view(retried.id)).toMatchObject({ state: 'queued', retryOf: old.id });
  });

  test('is refused with each invalid field', async () => {
    await start();
    const answer = await api.post('/v1/builds', { ...SAME, supersede: 'queued', concurrencyKey: 'a b' });
    expect(await answer.json()).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ field: 'concurrencyKey', got: '"a b"', expected: expect.stringContaining('1 to 255 characters') }],
    });
  });
});

describe('a build that shares a run', () => {
  test('has the log, placement, result and artifact of the run', async () => {
    await start();
    const request = { ...SAME, output: { type: 'artifact' } } as const;
    const [run, sharer] = [await api.submit(request), await api.submit(request)];
    expect(sharer).toMatchObject({ state: 'queued', sharedRun: run.id });
    const attempt = await api.run(run.id);
    const watching = log(sharer.id);
    const waiting = api.fetch(`/v1/builds/${sharer.id}?wait=60`).then((answer) => answer.json());
    await attempt.log(note(1), note(2));
    const content = Readable.from([Buffer.from('a tar')]);
    const artifact = await api.blobs.put(artifactKey(run.id, 1), content);
    await attempt.settle({ end: 'succeeded', result: { artifact } });
    const whole = { status: 200, records: ['1.1 note', '1.2 note', '1.3 end'], end: ['succeeded', undefined] };
    expect(await watching).toEqual(whole);
    await followUp();
    expect(buildView.parse(await waiting)).toMatchObject({
      ...{ id: sharer.id, state: 'succeeded', sharedRun: run.id, attempts: [], result: { artifact } },
    });
    expect(await log(sharer.id)).toEqual(whole);
    expect((await log(sharer.id, 'format=ndjson', { 'last-event-id': '1.2' })).records).toEqual(['1.3 end']);
    expect((await log(sharer.id, 'format=ndjson', { 'last-event-id': '1.3' })).status).toBe(204);
    expect(await (await api.fetch(`/v1/builds/${sharer.id}/artifact`)).text()).toBe('a tar');
    const placement = await api.fetch(`/v1/builds/${sharer.id}/placement`);
    expect(placementView.parse(await placement.json())).toMatchObject({ build: run.id, decisions: [{ host: 'h1' }] });
  });

  test('can be canceled alone: its log ends, and the run continues', async () => {
    await start();
    const [run, sharer] = [await api.submit(SAME), await api.submit(SAME)];
    const attempt = await api.run(run.id);
    await attempt.log(note(1));
    const answer = await api.fetch(`/v1/builds/${sharer.id}/logs?format=sse`);
    const reader = textReader(answer);
    let text = await readUntil(reader, 'id: 1.1');
    const canceled = await cancel(sharer.id);
    expect(canceled.status).toBe(200);
    expect(await canceled.json()).toMatchObject({ state: 'canceled', failure: { code: 'canceled' } });
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text).toContain('id: 1.2\nevent: end\n');
    expect((await log(sharer.id, 'format=ndjson', { 'last-event-id': '1.2' })).status).toBe(204);
    await attempt.log(note(2));
    await attempt.settle({ end: 'succeeded' });
    expect((await log(run.id)).records).toEqual(['1.1 note', '1.2 note', '1.3 end']);
    expect(await api.view(run.id)).toMatchObject({ state: 'succeeded' });
  });

  test('keeps the run when the run’s own build is canceled; the last cancel waits for the host', async () => {
    await start();
    const [run, sharer] = [await api.submit(SAME), await api.submit(SAME)];
    const attempt = await api.run(run.id);
    const released = await cancel(run.id);
    expect(released.status).toBe(200);
    expect(buildView.parse(await released.json())).toMatchObject({ state: 'running', releasedAt: expect.any(String) });
    const last = cancel(sharer.id);
    await expect.poll(async () => (await api.view(run.id)).cancelRequestedAt, PATIENT).toBeDefined();
    expect(await api.view(sharer.id)).toMatchObject({ state: 'queued' });
    await attempt.settle(CANCELED);
    await followUp();
    const answer = await last;
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ id: sharer.id, state: 'canceled' });
    expect((await log(sharer.id)).end).toEqual(['canceled', 'canceled']);
  });

  test('is retried as a separate build with its secrets', async () => {
    await start();
    const request = { ...SAME, secrets: { token: 'hunter2' } };
    const [run, sharer] = [await api.submit(request), await api.submit(request)];
    const attempt = await api.run(run.id);
    await attempt.settle({ end: 'failed', failure: { code: 'step_failed', message: 'exit 1' } });
    await followUp();
    expect(await api.view(sharer.id)).toMatchObject({ state: 'failed', failure: { code: 'step_failed' } });
    const retried = buildView.parse(await (await api.post(`/v1/builds/${sharer.id}/retry`, '')).json());
    expect(retried).toMatchObject({ state: 'queued', retryOf: sharer.id });
    expect(retried.sharedRun).toBeUndefined();
    expect(await api.state.builds.secretsOf(retried.id)).toEqual({ token: 'hunter2' });
  });
});
