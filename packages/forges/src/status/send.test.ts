import { FORGES, type ForgeName } from '@kiln/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forge } from '../forges.ts';
import { NOW_MS } from '../testing/fixtures.ts';
import { breaks, floods, hangs, StatusApi, says } from '../testing/status-api.ts';
import type { ForgeConnection, StatusReport } from './report.ts';
import { reportStatus, type StatusTransport } from './send.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const REPORT: StatusReport = {
  repository: 'tidewater/harbor',
  commit: COMMIT,
  context: 'kiln/api',
  state: 'running',
  description: 'building on host-a',
  url: 'https://kiln.tidewater.example/builds/01kaqz6w5h0000000000aaaaaa',
  buildId: '01kaqz6w5h0000000000aaaaaa',
};

let api: StatusApi;
beforeEach(async () => {
  api = await StatusApi.start();
});
afterEach(() => api[Symbol.asyncDispose]());

function send(
  name: ForgeName,
  report: Partial<StatusReport> = {},
  connection: Partial<ForgeConnection> = {},
  transport: Partial<StatusTransport> = {},
) {
  return reportStatus(
    forge(name),
    { ...REPORT, ...report },
    { apiUrl: api.url, token: 'glpat-secret', ...connection },
    { fetch, timeoutMs: 10_000, nowMs: NOW_MS, ...transport },
  );
}

describe('a request', () => {
  it('to GitHub reports a commit status', async () => {
    expect(await send('github', { description: '⛵'.repeat(200) })).toEqual({ delivered: true });
    expect(api.seen).toMatchObject([
      {
        method: 'POST',
        path: `/repos/tidewater/harbor/statuses/${COMMIT}`,
        headers: { authorization: 'Bearer glpat-secret', accept: 'application/vnd.github+json', 'user-agent': 'kiln' },
        body: { state: 'pending', context: 'kiln/api', description: `${'⛵'.repeat(139)}…`, target_url: REPORT.url },
      },
    ]);
  });

  it('to GitHub creates a check run first, and updates it afterwards', async () => {
    const first = await send('github', {}, { checks: true });
    expect(first).toEqual({ delivered: true, remoteId: '7' });
    await send('github', { state: 'canceled', remoteId: '7' }, { checks: true });
    expect(api.seen).toMatchObject([
      {
        method: 'POST',
        path: '/repos/tidewater/harbor/check-runs',
        body: { name: 'kiln/api', head_sha: COMMIT, status: 'in_progress', external_id: REPORT.buildId },
      },
      { method: 'PATCH', path: '/repos/tidewater/harbor/check-runs/7', body: { conclusion: 'cancelled' } },
    ]);
  });

  it('to GitLab reports a commit status with its ref', async () => {
    await send('gitlab', { repository: 'tidewater/boats/harbor', ref: 'main' }, { apiUrl: `${api.url}/api/v4/` });
    expect(api.seen).toMatchObject([
      {
        path: `/api/v4/projects/tidewater%2Fboats%2Fharbor/statuses/${COMMIT}`,
        headers: { 'private-token': 'glpat-secret' },
        body: { state: 'running', name: 'kiln/api', ref: 'main', target_url: REPORT.url },
      },
    ]);
  });

  it('to Gitea reports a commit status', async () => {
    await send('gitea', { state: 'failed' }, { apiUrl: `${api.url}/api/v1` });
    expect(api.seen).toMatchObject([
      {
        path: `/api/v1/repos/tidewater/harbor/statuses/${COMMIT}`,
        headers: { authorization: 'token glpat-secret' },
        body: { state: 'failure', context: 'kiln/api' },
      },
    ]);
  });

  it('to Bitbucket reports a build status, with a hash in place of a long context', async () => {
    await send('bitbucket', { state: 'succeeded' });
    await send('bitbucket', { context: `kiln/${'a'.repeat(60)}` }, { token: 'ida:app-password' });
    expect(api.seen).toMatchObject([
      {
        path: `/repositories/tidewater/harbor/commit/${COMMIT}/statuses/build`,
        headers: { authorization: 'Bearer glpat-secret' },
        body: { key: 'kiln/api', state: 'SUCCESSFUL', url: REPORT.url },
      },
      {
        headers: { authorization: `Basic ${btoa('ida:app-password')}` },
        body: { key: expect.stringMatching(/^[0-9a-f]{40}$/), name: `kiln/${'a'.repeat(60)}` },
      },
    ]);
  });

  it.each(FORGES)('to %s is accepted for every state', async (name) => {
    const states = ['pending', 'running', 'succeeded', 'failed', 'canceled', 'error'] as const;
    for (const state of states) expect(await send(name, { state })).toMatchObject({ delivered: true });
    expect(new Set(api.seen.map(({ body }) => (body as { state: string }).state)).size).toBeGreaterThanOrEqual(4);
  });
});

describe('a response', () => {
  const later = NOW_MS / 1000 + 90;

  it.each([
    ['500', says(500), { retry: true }],
    ['502', says(502), { retry: true }],
    ['408', says(408), { retry: true }],
    ['429', says(429), { retry: true }],
    ['429 with seconds', says(429, { 'retry-after': '30' }), { retry: true, afterMs: 30_000 }],
    ['429 with a date', says(429, { 'retry-after': new Date(NOW_MS + 5_000).toUTCString() }), { afterMs: 5_000 }],
    ['429 with a date gone by', says(429, { 'retry-after': new Date(NOW_MS - 5_000).toUTCString() }), { afterMs: 0 }],
    ['429 with nonsense', says(429, { 'retry-after': 'soon' }), { retry: true }],
    ['429 as GitLab has it', says(429, { 'ratelimit-reset': String(later) }), { retry: true, afterMs: 90_000 }],
    [
      '403 as GitHub has it',
      says(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(later) }),
      { retry: true, afterMs: 90_000 },
    ],
    ['403 with Retry-After', says(403, { 'retry-after': '60' }), { retry: true, afterMs: 60_000 }],
    ['503 with Retry-After', says(503, { 'retry-after': '60' }), { retry: true, afterMs: 60_000 }],
    ['403', says(403, { 'x-ratelimit-remaining': '17', 'x-ratelimit-reset': String(later) }), { retry: false }],
    ['401', says(401), { retry: false }],
    ['404', says(404), { retry: false }],
    [
      '422',
      says(422, {}, '{"message":"No commit found"}'),
      { retry: false, why: expect.stringContaining('No commit found') },
    ],
    ['a cut connection', breaks, { retry: true }],
    ['429 with a day of waiting', says(429, { 'retry-after': '86400' }), { retry: true, afterMs: 12 * 3_600_000 }],
    [
      '429 with the year 9999',
      says(429, { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }),
      { afterMs: 12 * 3_600_000 },
    ],
  ])('%s is a failure with the right wait', async (_, answer, expected) => {
    api.next(answer);
    expect(await send('github')).toMatchObject({ delivered: false, why: expect.any(String), ...expected });
  });

  it('that never comes ends in a time-out', async () => {
    api.next(hangs);
    expect(await send('gitea', {}, {}, { timeoutMs: 50 })).toEqual({
      delivered: false,
      retry: true,
      why: 'no answer within 50 ms',
    });
  });

  it('that never comes is given up when the signal aborts', async () => {
    const stop = new AbortController();
    api.next(() => stop.abort());
    expect(await send('gitea', {}, {}, { signal: stop.signal })).toMatchObject({ delivered: false, retry: true });
  });

  it('without an end is read only in part', async () => {
    api.next(floods);
    expect(await send('gitea')).toMatchObject({ retry: true, why: expect.stringMatching(/^500 .*: x{200}$/) });
  });

  it('of a closed port is a failure that may pass', async () => {
    const gone = await StatusApi.start();
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    expect(await send('gitlab', {}, { apiUrl: url })).toMatchObject({
      retry: true,
      why: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('isn’t retried for an invalid URL', async () => {
    expect(await send('gitlab', {}, { apiUrl: 'not a url' })).toMatchObject({ delivered: false, retry: false });
  });

  it('of GitLab that refuses a state that it already has counts as delivered, unlike any other 400', async () => {
    const has = says(400, {}, '{"message":"Cannot transition status via :run from :running (Reason(s): …)"}');
    api.next(has, says(400, {}, '{"message":"ref is invalid"}'), has);
    expect(await send('gitlab')).toEqual({ delivered: true });
    expect(await send('gitlab')).toMatchObject({ delivered: false, retry: false });
    expect(await send('gitea')).toMatchObject({ delivered: false, retry: false });
  });

  it('that redirects is followed with the whole request to the same origin, but never to another', async () => {
    api.next(says(307, { location: '/repositories/900/statuses' }));
    expect(await send('github')).toEqual({ delivered: true });
    expect(api.seen[1]).toMatchObject({
      method: 'POST',
      path: '/repositories/900/statuses',
      body: { context: 'kiln/api' },
    });

    await using elsewhere = await StatusApi.start();
    api.next(says(307, { location: `${elsewhere.url}/steal` }));
    expect(await send('gitlab')).toMatchObject({ delivered: false, retry: false });
    expect(elsewhere.seen).toEqual([]);
  });

  it('that redirects in circles is given up', async () => {
    api.next(...Array(10).fill(says(307, { location: '/again' })));
    expect(await send('github')).toMatchObject({ delivered: false, retry: false });
    expect(api.seen).toHaveLength(4);
  });

  it('that repeats the token is quoted without it', async () => {
    api.next(says(401, {}, 'bad token glpat-secret'));
    expect(await send('gitlab')).toMatchObject({ why: expect.stringContaining('bad token ***') });
    const spoilt = await send('gitlab', {}, { token: 'glpat-\nsecret' });
    expect(spoilt).toMatchObject({ delivered: false, retry: false });
    expect(JSON.stringify(spoilt)).not.toContain('glpat');
  });
});
