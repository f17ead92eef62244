import { type KilnClient, KilnUnreachable } from '@kiln/client';
import type { HostInfoView } from '@kiln/contracts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Io } from '../../io/output.ts';
import { waitMoved } from './wait-moved.ts';

vi.mock('node:timers/promises', () => ({ setTimeout: async (ms: number) => vi.advanceTimersByTime(ms) }));
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

type Drain = 'moving' | 'moved' | undefined;
const drained = (caches: Drain) =>
  ({ name: 'a', state: 'drained', drain: { since: '', caches }, caches: { mounts: 1 } }) as unknown as HostInfoView;
const READY = { name: 'a', state: 'ready', caches: { mounts: 1 } } as HostInfoView;

/** Returns how many seconds the wait takes if the host looks like this in each of them, and then like the last one. */
async function waited(...seconds: readonly (HostInfoView | undefined | Error)[]): Promise<number> {
  let looks = 0;
  const client = {
    tasks: async () => [],
    hosts: async () => {
      const host = seconds[Math.min(looks++, seconds.length - 1)];
      if (host instanceof Error) throw host;
      return host ? [host] : [];
    },
  } as unknown as KilnClient;
  const io = { err: { line: () => {} } } as unknown as Io;
  await waitMoved(client, 'a', { io, signal: new AbortController().signal });
  return looks - 1;
}

describe('the wait for the caches of a host', () => {
  const [moving, moved, unsaid] = [drained('moving'), drained('moved'), drained(undefined)];
  const away = new KilnUnreachable('http://pool', new Error('refused'));

  test.each<[string, number, (HostInfoView | undefined | Error)[]]>([
    ['is over at once when they have moved', 0, [moved]],
    [
      'lasts while the scheduler says that they move, also if nothing is being copied',
      20,
      [...Array(20).fill(moving), moved],
    ],
    ['gives the scheduler 3 s to say something', 3, [unsaid]],
    ['lasts as long as the scheduler says once it has said something', 9, [unsaid, ...Array(8).fill(moving), moved]],
    ['goes on after the API was unreachable', 3, [moving, away, away, moved]],
    ['ends when the worker has left', 1, [moving, undefined]],
    ['takes no time for a host that isn’t drained', 0, [READY]],
  ])('%s', async (_, seconds, looks) => {
    expect(await waited(...looks)).toBe(seconds);
  });
});
