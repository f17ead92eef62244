import type { BuildView, PlacementInfoView } from '@kiln/contracts';
import { expect } from 'vitest';
import { outputOf } from '../logs.ts';
import { repoOf, type Story } from './story.ts';

const POLL = { timeout: 60_000, interval: 100 };

export interface ExpectedBuilt {
  /** Whether the build's cache mount had content; see `warmable`. */
  readonly cache: 'warm' | 'cold';
  /** Reason of the placement. */
  readonly reason: string;
  /** Name of a host, or of an earlier build by `sameHostAs`. */
  readonly host?: string;
  readonly sameHostAs?: string;
}

/** What a build's view contains; a function where it names other builds. */
export type ExpectedView = object | ((story: Story) => object);

/** Expects that the build succeeds, with such a cache, and on the host and for the reason that its placement states. */
export async function expectBuilt(story: Story, name: string, expected: ExpectedBuilt): Promise<void> {
  const { id } = story.build(name);
  const { state, host } = await story.pool.end(id);
  const placed = (await decisionsOf(story, name)).find((decision) => decision.host !== null);
  const cache = outputOf(await story.pool.log(id)).match(/found the cache (warm|cold)/)?.[1];
  expect({ name, state, cache, reason: placed?.reason, host: placed?.host }).toEqual({
    ...{ name, state: 'succeeded', cache: expected.cache, reason: expected.reason, host },
  });
  if (expected.host !== undefined) expect(host).toBe(expected.host);
  if (expected.sameHostAs !== undefined) expect(host).toBe(await story.hostOf(expected.sameHostAs));
}

/** Expects that the build waits for the host of another build, which is warm for it, although one host is free. */
export async function expectWaitsForHostOf(story: Story, name: string, other: string): Promise<void> {
  const host = await story.hostOf(other);
  const seen = async () => {
    const waiting = (await decisionsOf(story, name)).find(({ reason }) => reason === 'waits_for_warm');
    const awaited = waiting?.considered.find((one) => one.host === host);
    const free = waiting?.considered.filter(({ usedSlots }) => usedSlots === 0);
    return { verdict: awaited?.verdict, warmth: awaited?.warmth, freeHosts: free?.length };
  };
  await expect.poll(seen, POLL).toEqual({ verdict: 'awaited', warmth: 1, freeHosts: 1 });
}

/** Expects that the build ends, and that its view then contains what is expected. */
export async function expectEnd(story: Story, name: string, expected: ExpectedView): Promise<BuildView> {
  const build = await story.pool.end(story.build(name).id);
  expect(build).toMatchObject(typeof expected === 'function' ? expected(story) : expected);
  return build;
}

/** Expects that the host of the build becomes known to be warm for its repo: everything its builds used is there. */
export async function expectWarm(story: Story, name: string): Promise<void> {
  await expect.poll(() => warmthOf(story, name), POLL).toBe(1);
}

/** Expects that the host of the build becomes known to be cold for its repo: layers may be there, the cache mounts are not. */
export async function expectCold(story: Story, name: string): Promise<void> {
  await expect.poll(() => warmthOf(story, name), POLL).toBeLessThan(0.5);
}

async function warmthOf(story: Story, name: string): Promise<number> {
  const { inventory } = await story.pool.client.host(await story.hostOf(name));
  return inventory?.repos.find(({ repo }) => repo === repoOf(name))?.warmth ?? 0;
}

export async function decisionsOf(story: Story, name: string): Promise<PlacementInfoView['decisions']> {
  return (await story.pool.client.placement(story.build(name).id)).decisions;
}
