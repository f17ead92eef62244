import type { BuildView } from '@kiln/contracts';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakePool } from '../testing/fake-pool.ts';
import { redisForFile } from '../testing/for-file.ts';
import { TestApi } from '../testing/test-api.ts';
import { BuildFeed, type FeedUpdate } from './build-feed.ts';

const redis = await redisForFile();
let api: TestApi;
beforeAll(async () => {
  api = await TestApi.start({}, { redis });
});
afterAll(() => api[Symbol.asyncDispose]());

/** Follows the events of a credential. `until` resolves to the events so far when one of them is as asked. */
async function follow(headers: Record<string, string>) {
  const stop = new AbortController();
  const answer = await fetch(`${api.api.url}/v1/builds/events`, { headers, signal: stop.signal });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (part: RegExp): Promise<string> => {
    while (!part.test(text)) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) throw new Error(`the stream ended after ${text}`);
      text += value;
    }
    return text;
  };
  await until(/event: ready/);
  return { until, stop: () => stop.abort() };
}

const builds = (text: string) =>
  [...text.matchAll(/^event: build\ndata: (.*)$/gm)].map(([, json]) => JSON.parse(json ?? '') as BuildView);

describe('the events of builds', () => {
  test('tell each change of a build, with the build as a list has it', async () => {
    const { until, stop } = await follow((await api.token({ scopes: ['builds:read'] })).headers);
    const { id } = await api.submit({ team: 'web' });
    await until(new RegExp(`"id":"${id}","state":"queued"`));
    const attempt = await api.run(id);
    await attempt.settle({ end: 'succeeded', steps: { total: 2, cached: 1 } });
    const last = builds(await until(/"state":"succeeded"/)).at(-1);
    expect(last).toEqual(await api.view(id));
    stop();
  });

  test('tell nothing of other teams’ builds', async () => {
    const { until, stop } = await follow((await api.token({ team: 'ops', scopes: ['builds:read'] })).headers);
    await api.submit({ team: 'web' });
    const { id } = await api.submit({ team: 'ops' });
    const seen = builds(await until(new RegExp(id)));
    expect(new Set(seen.map(({ team }) => team))).toEqual(new Set(['ops']));
    stop();
  });
});

test('a feed tells its listeners to read their lists again when more has changed than is worth telling', async () => {
  const pool = new FakePool();
  using feed = new BuildFeed(
    { get: async () => undefined, lastDecisions: async () => new Map() },
    pool.events,
    pino({ level: 'silent' }),
  );
  const told: FeedUpdate[] = [];
  using _ = feed.subscribe((update) => told.push(update));
  for (let i = 0; i <= 2_000; i += 1) {
    for (const listener of pool.listeners) {
      listener({ type: 'build', id: `b${i}`, state: 'queued', revision: 1, attempt: 0, host: '' });
    }
  }
  expect(told).toEqual([{ type: 'reset' }]);
});
