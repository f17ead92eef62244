import type { DeliveryView } from '@kiln/contracts';
import { TestRedis } from '@kiln/state/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type HookChange, hook, replayed, type TestForge } from '../../testing/test-forge.ts';
import { CONFIG, outcomes, pull, push, pushTag, TestForges } from '../../testing/test-forges.ts';

let redis: TestRedis;
let forges: TestForges;
let forge: TestForge;
let first: string;

beforeAll(async () => {
  redis = await TestRedis.start();
});
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(async () => {
  forges = await TestForges.start(redis);
  ({ forge, first } = forges);
  return () => forges[Symbol.asyncDispose]();
});

describe('events out of order', () => {
  test('a push that arrives after a newer one of its branch supersedes no newer build', async () => {
    const [second, third] = [
      forge.git.commit({ 'services/api/a.ts': '2' }),
      forge.git.commit({ 'services/api/a.ts': '3' }),
    ];
    const newer = await forge.delivered(push('gitea', second, third));
    const late = await forge.delivered(push('gitea', first, second));
    expect(late.builds).toEqual([]);
    expect(late.reasons[0]).toContain('a newer push of main');
    expect((await forges.built(newer)).map(({ state }) => state)).toEqual(['queued']);
    // Moving the branch back on purpose is the newest push of all.
    forge.git.ref('refs/heads/main', second);
    const back = await forge.delivered(push('gitea', third, second));
    expect(back.builds).toHaveLength(1);
    expect((await forges.built(newer)).map(({ state, supersededBy }) => [state, supersededBy])).toEqual([
      ['canceled', back.builds[0]],
    ]);
  });

  test('leave only the newest build, however many are processed at once', async () => {
    const commits = [first, ...[2, 3, 4, 5].map((i) => forge.git.commit({ 'services/api/a.ts': String(i) }))];
    const hooks = commits.slice(1).map((commit, i) => push('gitea', commits[i] ?? '', commit));
    const ids: string[] = [];
    for (const one of hooks) ids.push(((await (await forge.send(one)).json()) as DeliveryView).id);
    await Promise.all(ids.map((id) => forge.settled(id)));
    const left = (await forges.builds()).filter(({ state }) => state === 'queued');
    expect(left.map(({ request }) => request.source)).toMatchObject([{ ref: commits.at(-1) }]);
  });

  test('of a pull request build nothing if it has changed or was closed since', async () => {
    const head = forge.git.commit({ 'services/api/b.ts': '1' }, 'feature/tides');
    const at = (time: string): HookChange => ({ texts: { '2026-01-14T08:02:55Z': time } });
    const newer = await forge.delivered(pull('github', 'pull_request-synchronize', head, at('2026-01-14T09:00:00Z')));
    expect(newer.builds).toHaveLength(1);
    const late = await forge.delivered(pull('github', 'pull_request-opened', head, at('2026-01-14T08:59:59Z')));
    expect(late.reasons[0]).toContain('a newer event of pull request 42');
    const closed = await forge.delivered(
      hook('github', 'pull_request-closed', { texts: { '2026-01-14T08:02:55Z': '2026-01-14T09:30:00Z' } }),
    );
    expect(closed.events[0]?.canceled).toEqual(newer.builds);
    expect((await forges.built(newer))[0]).toMatchObject({ state: 'canceled' });
    const after = await forge.delivered(pull('github', 'pull_request-synchronize', head, at('2026-01-14T09:10:00Z')));
    expect(after.builds).toEqual([]);
  });
});

describe('a webhook that is replayed under another id', () => {
  test('builds nothing, whether or not its branch has moved on', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    const original = push('gitea', first, second);
    const before = await forge.delivered(original);
    expect(before.builds).toHaveLength(1);
    const again = await forge.delivered(replayed(original));
    expect(again).toMatchObject({ state: 'done', builds: [] });
    expect(again.id).not.toBe(before.id);
    expect(again.reasons).toContain(`docs: the same webhook was delivered before, as ${before.id}`);
    const third = forge.git.commit({ 'docs/x.md': '3' });
    await forge.delivered(push('gitea', second, third));
    expect((await forge.delivered(replayed(original))).builds).toEqual([]);
    const tag = pushTag('gitea', 'push-tag', third);
    await forge.delivered(tag);
    expect((await forge.delivered(replayed(tag))).builds).toEqual([]);
    // One for each push, two for the tag.
    expect(await forges.builds()).toHaveLength(4);
  });

  test('is built if the branch was moved back, so that the same push really happened twice', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    const there = push('gitea', first, second);
    await forge.delivered(there);
    forge.git.ref('refs/heads/main', first);
    await forge.delivered(push('gitea', second, first));
    forge.git.ref('refs/heads/main', second);
    expect((await forge.delivered(replayed(there))).builds).toHaveLength(1);
  });

  test('is processed if the first delivery failed', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    forge.git.instead = (_request, response) => void response.writeHead(404).end();
    const one = push('gitea', first, second);
    expect(await forge.delivered(one)).toMatchObject({ state: 'failed' });
    forge.git.instead = undefined;
    expect((await forge.delivered(replayed(one))).builds).toHaveLength(1);
  });
});

describe('a push that its branch has moved on from', () => {
  test('is built only for an image that wants every push, even on a branch that is new to Kiln', async () => {
    const every = `${CONFIG}  - { name: every, supersede: none }\n`;
    const second = forge.git.commit({ '.kiln.yaml': every, 'docs/x.md': '2' });
    const third = forge.git.commit({ 'docs/x.md': '3' });
    const old = await forge.delivered(push('github', first, second));
    expect(outcomes(old)).toEqual({ api: 'skipped', docs: 'skipped', every: 'built' });
    expect(old.reasons).toContain(
      `docs: main has moved on to ${third.slice(0, 12)}; only images with supersede: none are built for every push`,
    );
    const newest = await forge.delivered(push('github', second, third));
    expect(outcomes(newest)).toEqual({ api: 'built', docs: 'built', every: 'built' });
  });

  test('is not built if the branch is gone', async () => {
    const second = forge.git.commit({ 'docs/x.md': '2' });
    forge.git.ref('refs/heads/other', second);
    forge.git.drop('refs/heads/main');
    const old = await forge.delivered(push('github', first, second));
    expect(old.reasons).toContain('docs: the branch main no longer exists');
  });
});
