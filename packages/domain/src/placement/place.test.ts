import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type HostView, type PendingBuild, place } from './place.ts';

const build = (id: string, more: Partial<PendingBuild> = {}): PendingBuild => ({
  id,
  repo: 'app',
  team: 'default',
  priority: 'normal',
  queuedAt: 0,
  createdAt: 0,
  weight: 1,
  platforms: [],
  hostLabels: {},
  lostOn: [],
  ...more,
});
const host = (name: string, more: Partial<HostView> = {}): HostView => ({
  name,
  slots: 2,
  usedSlots: 0,
  platforms: ['linux/amd64'],
  labels: { disk: 'nvme' },
  cordoned: false,
  draining: false,
  ...more,
});

describe('place', () => {
  test('takes the least busy host that fits, and says what spoke against the others', () => {
    const hosts = [
      host('busy', { usedSlots: 1 }),
      host('free'),
      host('full', { usedSlots: 2 }),
      host('cordoned', { cordoned: true }),
      host('arm', { platforms: ['linux/arm64'] }),
      host('slow', { labels: { disk: 'spinning' } }),
      host('leaving', { draining: true }),
    ];
    const [decision] = place(
      { pending: [build('b', { platforms: ['linux/amd64'], hostLabels: { disk: 'nvme' } })], hosts },
      7,
    );
    expect(decision).toMatchObject({ build: 'b', host: 'free', reason: 'least_busy', decidedAt: 7 });
    expect(decision?.considered.map(({ host, verdict }) => [host, verdict])).toEqual([
      ['busy', 'busier'],
      ['free', 'chosen'],
      ['full', 'full'],
      ['cordoned', 'cordoned'],
      ['arm', 'platform_missing'],
      ['slow', 'label_missing'],
      ['leaving', 'draining'],
    ]);
  });

  test.each([
    [[], 'no_host'],
    [[host('full', { usedSlots: 2 })], 'all_full'],
    [[host('small', { cordoned: true })], 'none_fits'],
  ] as const)('waits with a reason', (hosts, reason) => {
    expect(place({ pending: [build('b')], hosts }, 0)[0]).toMatchObject({ host: null, reason });
  });

  test('another host is tried before one that lost the build; alone, that one is tried again', () => {
    const pending = [build('b', { lostOn: ['a'] })];
    expect(place({ pending, hosts: [host('a'), host('b', { usedSlots: 1 })] }, 0)[0]?.host).toBe('b');
    expect(place({ pending, hosts: [host('a'), host('b', { usedSlots: 2 })] }, 0)[0]).toMatchObject({ host: null });
    expect(place({ pending, hosts: [host('a')] }, 0)[0]?.host).toBe('a');
  });

  test('classes go before age, until age wins', () => {
    const pending = [
      build('old batch', { priority: 'batch', createdAt: 0 }),
      build('normal', { createdAt: 700_000 }),
      build('interactive', { priority: 'interactive', createdAt: 1_000_000 }),
      build('late interactive', { priority: 'interactive', createdAt: 1_300_001 }),
    ];
    expect(place({ pending, hosts: [] }, 0).map(({ build }) => build)).toEqual([
      'interactive',
      'old batch',
      'normal',
      'late interactive',
    ]);
  });

  test('never hands a host more than it has slots for, and never leaves a build without a decision', () => {
    const anyHost = fc.record({
      slots: fc.integer({ min: 1, max: 4 }),
      usedSlots: fc.integer({ min: 0, max: 4 }),
      cordoned: fc.boolean(),
      draining: fc.boolean(),
    });
    const anyBuild = fc.record({ weight: fc.integer({ min: 1, max: 3 }), createdAt: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(anyHost, { maxLength: 6 }), fc.array(anyBuild, { maxLength: 20 }), (someHosts, builds) => {
        const hosts = someHosts.map((some, i) => host(`h${i}`, some));
        const pending = builds.map((some, i) => build(`b${i}`, some));
        const decisions = place({ pending, hosts }, 0);
        expect(decisions.map((decision) => decision.build).sort()).toEqual(pending.map(({ id }) => id).sort());
        for (const { name, slots, usedSlots } of hosts) {
          const given = decisions
            .filter((decision) => decision.host === name)
            .reduce((sum, decision) => sum + (pending.find(({ id }) => id === decision.build)?.weight ?? 0), 0);
          if (given > 0) expect(usedSlots + given).toBeLessThanOrEqual(slots);
        }
        for (const { considered } of decisions) expect(considered.length).toBe(hosts.length);
      }),
    );
  });
});
