import type { LogRecord } from '@kiln/contracts';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { redisForFile } from '../testing/for-file.ts';
import { PATIENT } from '../testing/patient.ts';
import { eventsIn, output, startedBuild } from '../testing/read-log.ts';
import { readUntil, textReader } from '../testing/read-until.ts';
import { TestApi } from '../testing/test-api.ts';

const redis = await redisForFile();
let api: TestApi;
afterEach(() => api[Symbol.asyncDispose]());
const start = async (config: Parameters<typeof TestApi.start>[0] = {}) => {
  api = await TestApi.start(config, { redis });
};

const DONE = { end: 'succeeded' } as const;
const step = (state: 'started' | 'completed'): LogRecord => ({
  t: 0,
  type: 'step',
  step: 1,
  name: '[1/1] RUN make',
  state,
  ...(state === 'completed' && { ms: 1500 }),
});

const logs = (id: string, query = '', headers: Record<string, string> = {}) =>
  api.fetch(`/v1/builds/${id}/logs${query}`, { headers });

describe('a log', () => {
  test('is sent as server-sent events, from before the first attempt to the end', async () => {
    await start();
    const { id } = await api.submit();
    const answer = await logs(id, '?format=sse');
    expect(answer.headers.get('x-accel-buffering')).toBe('no');
    const attempt = await api.run(id);
    await attempt.log(step('started'), output(1));
    await attempt.log(output(2));
    await attempt.settle(DONE);
    const text = await answer.clone().text();
    expect(text.startsWith('retry: 1000\n\n')).toBe(true);
    expect(await eventsIn(answer)).toEqual(['1.1 step', '1.2 output', '1.3 output', '1.4 end']);
  });

  test('is sent as NDJSON or text, by name or by Accept, with ANSI colours', async () => {
    await start();
    const { id, attempt } = await startedBuild(api);
    await attempt.log(step('started'), output(1), step('completed'));
    await attempt.settle(DONE);
    for (const answer of [await logs(id, '?format=ndjson'), await logs(id, '', { accept: 'application/x-ndjson' })]) {
      const records = (await answer.text())
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(records.map((record) => record.id)).toEqual(['1.1', '1.2', '1.3', '1.4']);
      expect(records[1]).toMatchObject({ type: 'output', data: 'line 1 \u001b[31mred\u001b[0m\n' });
    }
    for (const answer of [await logs(id, '?format=text'), await logs(id, '', { accept: 'text/plain' })]) {
      expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const text = await answer.text();
      expect(text).toContain('#1 [1/1] RUN make\n');
      expect(text).toContain('line 1 \u001b[31mred\u001b[0m\n');
      expect(text).toContain('#1 DONE 1.5s\n');
      expect(text).toMatch(/^kiln: succeeded in \d+\.\ds on h1$/m);
    }
    expect((await logs(id, '', { accept: '*/*' })).headers.get('content-type')).toBe('text/event-stream');
  });

  test('has keep-alives while it is quiet', async () => {
    await start({ sseHeartbeatMs: 5 });
    const { id, attempt } = await startedBuild(api);
    const answer = await logs(id, '?format=sse');
    const reader = textReader(answer);
    await readUntil(reader, ': alive\n\n: alive\n\n');
    await attempt.settle(DONE);
    await reader.cancel();
  });
});

describe('a reader that resumes', () => {
  test('gets exactly the rest, by header or query, within a batch and across attempts', async () => {
    await start();
    const { id, attempt } = await startedBuild(api);
    await attempt.log(output(1), output(2), output(3));
    await attempt.lose();
    const second = await api.run(id);
    await second.log(output(4), output(5));
    await second.settle(DONE);
    const all = ['1.1 output', '1.2 output', '1.3 output', '1.4 end', '2.1 output', '2.2 output', '2.3 end'];
    expect(await eventsIn(await logs(id, '?format=sse'))).toEqual(all);
    for (let has = 1; has < all.length; has += 1) {
      const last = all[has - 1]?.split(' ')[0] ?? '';
      expect(await eventsIn(await logs(id, '?format=sse', { 'last-event-id': last }))).toEqual(all.slice(has));
      expect(await eventsIn(await logs(id, `?format=sse&after=${last}`))).toEqual(all.slice(has));
    }
    expect(await eventsIn(await logs(id, '?format=sse&attempt=1'))).toEqual(all.slice(0, 4));
    expect(await eventsIn(await logs(id, '?format=sse&attempt=2', { 'last-event-id': '1.2' }))).toEqual(all.slice(4));
  });

  test('is answered 204 if it has everything, and 400 for an invalid position', async () => {
    await start();
    const { id, attempt } = await startedBuild(api);
    await attempt.log(output(1));
    await attempt.settle(DONE);
    expect((await logs(id, '', { 'last-event-id': '1.2' })).status).toBe(204);
    const bad = await logs(id, '', { 'last-event-id': 'x' });
    expect(await bad.json()).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'header Last-Event-ID', got: 'x' }],
    });
  });

  test('gets what there is so far from a running build if it doesn’t follow', async () => {
    await start();
    const { id, attempt } = await startedBuild(api);
    await attempt.log(output(1));
    expect(await eventsIn(await logs(id, '?format=sse&follow=false'))).toEqual(['1.1 output']);
    expect(await eventsIn(await logs(id, '?format=sse&follow=false', { 'last-event-id': '1.1' }))).toEqual([]);
  });

  test('continues from the archive when the live stream has expired, and gets the same records', async () => {
    await start({ logRingBytes: 100_000, logPageCacheBytes: 1 });
    const { id, attempt } = await startedBuild(api);
    const expected: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      await attempt.log(output(2 * i, 'x'.repeat(10_000)), output(2 * i + 1, 'é'.repeat(5_000)));
      expected.push(`1.${2 * i + 1} output`, `1.${2 * i + 2} output`);
    }
    const answer = await logs(id, '?format=sse');
    await attempt.settle(DONE);
    await vi.waitFor(() => expect(api.logged.join('')).toContain('log archived'), PATIENT);
    await api.state.redis.del(api.state.keys.log(id, 1));
    expected.push('1.121 end');
    expect(await eventsIn(answer)).toEqual(expected);
    expect(await eventsIn(await logs(id, '?format=sse'))).toEqual(expected);
    expect(await eventsIn(await logs(id, '?format=sse', { 'last-event-id': '1.77' }))).toEqual(expected.slice(77));
    expect((await logs(id, '', { 'last-event-id': '1.121' })).status).toBe(204);
  });
});

describe('the log', () => {
  test('of a build that is canceled while queued ends', async () => {
    await start();
    const { id } = await api.submit();
    const answer = await logs(id, '?format=sse');
    await api.fetch(`/v1/builds/${id}/cancel`, { method: 'POST' });
    expect(await eventsIn(answer)).toEqual(['1.1 end']);
    expect(await eventsIn(await logs(id, '?format=sse'))).toEqual(['1.1 end']);
    expect((await logs(id, '', { 'last-event-id': '1.1' })).status).toBe(204);
  });

  test('that is no longer kept is answered 404', async () => {
    await start();
    const { id, attempt } = await startedBuild(api);
    await attempt.settle(DONE);
    await vi.waitFor(() => expect(api.logged.join('')).toContain('log archived'), PATIENT);
    await api.state.redis.del(api.state.keys.log(id, 1));
    for await (const { key } of api.blobs.list('logs')) await api.blobs.delete(key);
    expect(await (await logs(id)).json()).toMatchObject({ status: 404, code: 'log_not_found' });
    expect((await logs(id, '', { 'last-event-id': '1.1' })).status).toBe(404);
  });
});
