import type { PlacementInfoView } from '@kiln/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { FAILED, NOW, RUNNING } from '../../testing/builds.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

type Considered = PlacementInfoView['decisions'][number]['considered'][number];

const cli = withFakeApi({ now: () => NOW });
beforeEach(() => {
  cli.api.builds = [FAILED, RUNNING];
});

describe('kiln why', () => {
  const at = (second: number) => new Date(Date.parse('2026-01-02T03:13:00.000Z') + 1_000 * second).toISOString();
  const host = (name: string, warmth: number, verdict: string, more: Partial<Considered> = {}): Considered => ({
    host: name,
    slots: 2,
    usedSlots: 1,
    warmth,
    verdict,
    ...more,
  });
  const expected = (start: number, runMs: number, warmth: number) => ({
    startAt: at(start),
    finishAt: at(start + runMs / 1_000),
    runMs,
    warmth,
  });

  it('shows each decision with every host, the prediction and the outcome', async () => {
    const warm = expected(60, 42_000, 0.82);
    cli.api.placement = [
      { attempt: 1, host: null, reason: 'no_host', decidedAt: at(5), considered: [] },
      {
        attempt: 1,
        host: 'a',
        reason: 'warm',
        decidedAt: at(60),
        predicted: warm,
        considered: [
          host('a', 0.82, 'chosen', { predicted: warm }),
          host('d', 0, 'costs_others', {
            predicted: expected(60, 41_000, 0),
            extras: { eviction: 125_000, crowding: 2_000, spread: -90_000 },
          }),
          host('b', 0, 'platform_missing'),
          host('c', 0, 'something_new'),
        ],
        others: { label_missing: 2, full: 30 },
        actual: {
          startedAt: at(61),
          waitedMs: 1_000,
          endedAt: at(99),
          runMs: 38_200,
          end: 'succeeded',
          steps: { total: 14, cached: 11 },
        },
      },
    ];
    expect((await cli.run('why aaaa')).out).toBe(
      `attempt 1: wait, no host has joined the pool (1m ago)

attempt 1: run on a, which has its cache (5s ago)
  predicted: starts immediately, 82% warm, runs 42.0s
  actual:    started after 1.0s, ran 38.2s and succeeded, 11 of 14 steps cached
  HOST  SLOTS  WARM  START    FINISH  VERDICT
  a       1/2   82%    now  in 42.0s  chosen
  d       1/2    0%    now  in 41.0s  would cost other builds more: evicts caches (2m05s), crowds out its warm builds (2.0s)
  b       1/2    0%                   can't build for the platform
  c       1/2    0%                   something new
  and 32 more: 30 full, 2 lacks a label
`,
    );
  });

  it('says why an attempt returned the build to the queue', async () => {
    const ran = (code?: 'host_drained' | 'host_lost') => ({
      ...{ attempt: 1, host: 'a', reason: 'cold', decidedAt: at(60), considered: [] },
      actual: { startedAt: at(61), waitedMs: 1_000, runMs: 2_000, end: 'lost', ...(code && { code }) } as const,
    });
    cli.api.placement = [ran('host_drained'), ran('host_lost'), ran()];
    const lines = (await cli.run('why aaaa')).out.split('\n').filter((line) => line.includes('actual'));
    expect(lines).toEqual([
      '  actual:    started after 1.0s, ran 2.0s and was handed back, because the host was drained',
      ...Array(2).fill('  actual:    started after 1.0s, ran 2.0s and was lost'),
    ]);
  });

  it('says that no host takes builds of its trust class', async () => {
    const none = { attempt: 1, host: null, reason: 'none_untrusted', decidedAt: at(60) };
    cli.api.placement = [{ ...none, considered: [host('a', 0, 'trust_missing'), host('b', 0, 'trust_missing')] }];
    const { out } = await cli.run('why aaaa');
    expect(out).toContain('attempt 1: wait, no host takes untrusted builds (5s ago)\n');
    expect(out).toContain('has no builder for the build');
  });

  it('says which host a build waits for, and how long that will take', async () => {
    const later = expected(100, 30_000, 1);
    cli.api.placement = [
      {
        attempt: 2,
        host: null,
        reason: 'waits_for_warm',
        decidedAt: at(60),
        predicted: later,
        considered: [
          host('a', 1, 'awaited', { predicted: later }),
          host('b', 0, 'later', { predicted: expected(60, 120_000, 0) }),
        ],
      },
    ];
    expect((await cli.run('why aaaa')).out).toBe(
      `attempt 2: wait for a, which has its cache: better than a cold start on a free host (5s ago)
  predicted: starts after 40.0s, 100% warm, runs 30.0s
  HOST  SLOTS  WARM     START    FINISH  VERDICT
  a       1/2  100%  in 40.0s  in 1m10s  worth waiting for
  b       1/2    0%       now  in 2m00s  would finish later
`,
    );
  });
});
