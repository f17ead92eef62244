import { expect, onTestFinished, test } from 'vitest';
import { warmable } from '../../support/dockerfiles.ts';
import { expectWhole } from '../../support/logs.ts';
import { decisionsOf } from '../../support/scenario/expectations.ts';
import { scenario } from '../../support/scenario/scenario.ts';
import type { Story } from '../../support/scenario/story.ts';
import type { HostsLab } from './lab.ts';

/** What a cold build takes in addition: enough for a warm one, or for a seed, to be worth waiting for. */
const COLD_SECONDS = 12;

/** Stories of builds that are placed where their caches are. */
export function warmPlacementStories({ hosts, pool }: HostsLab): void {
  test('repos stay with the hosts that are warm for them, also in a burst; a new repo takes the free host', async () => {
    await scenario(pool())
      .builds((text) => warmable(text, COLD_SECONDS))
      // No host is warm for these repos: each takes a free one, and leaves its caches there.
      .submit('one')
      .submit('two')
      .expectBuilt('one', { cache: 'cold', reason: 'cold' })
      .expectBuilt('two', { cache: 'cold', reason: 'cold' })
      .expectApart('one', 'two')
      .expectWarm('one')
      .expectWarm('two')
      // More builds than the two hosts can take at once, while the third host is free.
      .submit('one#2')
      .submit('two#2')
      .submit('one#3')
      .submit('two#3')
      .expectWaitsForHostOf('one#3', 'one')
      .expectWaitsForHostOf('two#3', 'two')
      .submit('three')
      .expectBuilt('one#2', { cache: 'warm', reason: 'warm', sameHostAs: 'one' })
      .expectBuilt('two#2', { cache: 'warm', reason: 'warm', sameHostAs: 'two' })
      .expectBuilt('one#3', { cache: 'warm', reason: 'warm', sameHostAs: 'one' })
      .expectBuilt('two#3', { cache: 'warm', reason: 'warm', sameHostAs: 'two' })
      .expectBuilt('three', { cache: 'cold', reason: 'cold' })
      .expectApart('one', 'two', 'three')
      .step('expect one attempt of each build', expectOneAttempt)
      .run();
  });

  test('a host whose cache mounts were evicted is cold again, and known to be; when it is drained, the next build waits until another host is seeded from it', async () => {
    await scenario(pool())
      .builds((text) => warmable(text, COLD_SECONDS))
      .host('a', { warm: ['app'] })
      .step('evict the cache mounts', () => hosts().host('a').evictCacheMounts())
      .expectCold('app')
      .submit('app#2')
      // Its layers are still there, so that it is the best host all the same.
      .expectBuilt('app#2', { cache: 'cold', reason: 'partly_warm', host: 'a' })
      .step('expect little warmth to be predicted', async (story) => {
        const placed = (await decisionsOf(story, 'app#2')).find(({ host }) => host !== null);
        expect(placed?.predicted?.warmth).toBeLessThan(0.5);
      })
      .expectWarm('app#2')
      .step('drain host a', async ({ pool: { client } }) => {
        onTestFinished(async () => void (await client.uncordonHost('a')));
        await client.drainHost('a');
      })
      .submit('app#3')
      .expectBuilt('app#3', { cache: 'warm', reason: 'warm' })
      .step('expect the build to have waited for the seed', expectSeededFromA)
      .step('expect one attempt of each build', expectOneAttempt)
      .run();
  });
}

/** The reasons of `app#3` name the transfer that it waited for, and it ran where that went. */
async function expectSeededFromA(story: Story): Promise<void> {
  const decisions = await decisionsOf(story, 'app#3');
  const waited = decisions.find(({ reason }) => reason === 'waits_for_seed');
  const host = await story.hostOf('app#3');
  expect(waited?.considered.find((one) => one.host === host)).toMatchObject({
    ...{ verdict: 'awaited', seeding: { from: 'a' } },
  });
  const { client } = story.pool;
  expect((await client.tasks({ host })).find(({ repo }) => repo === 'app')).toMatchObject({
    type: 'seed',
    state: 'succeeded',
  });
}

/** Each build ended at its first attempt, with a whole log, and its placement states what was predicted and what happened. */
async function expectOneAttempt(story: Story): Promise<void> {
  for (const { id } of story.builds) {
    expect((await story.pool.client.get(id)).attempts).toHaveLength(1);
    expectWhole(await story.pool.log(id), 1);
    const { decisions } = await story.pool.client.placement(id);
    const placed = decisions.find(({ host }) => host !== null);
    expect(placed).toMatchObject({ predicted: { runMs: expect.any(Number) }, actual: { end: 'succeeded' } });
  }
}
