import type { HostInfoView } from '@kiln/contracts';

/** A host as the API returns it, with some fields changed. */
export function fakeHost(change: Partial<HostInfoView>): HostInfoView {
  return {
    ...{ name: 'host-a', state: 'ready', slots: 4, usedSlots: 0, labels: {}, platforms: ['linux/amd64'] },
    ...{ driver: 'docker-container', trust: ['trusted'], isolation: 'team', oneDomain: false, builds: [] },
    ...{ engineVersion: '28.2', buildxVersion: '0.24', lastSeenAt: '2026-01-02T03:14:05.000Z' },
    ...change,
  };
}
