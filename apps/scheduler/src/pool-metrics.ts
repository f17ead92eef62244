import type { Metrics } from '@kiln/metrics';
import type { HostState } from '@kiln/state';
import type { PoolView } from './pool-view.ts';
import type { Seeding } from './seeding/seeding.ts';

export interface PoolMetricsDeps {
  readonly view: PoolView;
  readonly seeding: Pick<Seeding, 'underWay'> | undefined;
  /** Whether this scheduler leads, and its view is current. */
  isLeading(): boolean;
}

/** Exports the leader's view of the queue, the hosts and their slots. A scheduler that doesn't lead knows nothing of them. */
export function collectPool(metrics: Metrics, { view, seeding, isLeading }: PoolMetricsDeps): Disposable {
  return metrics.collect(
    [
      'kiln_scheduler_leader',
      'kiln_builds_queued',
      'kiln_builds_withheld',
      'kiln_builds_queued_by_team',
      'kiln_builds_queued_oldest_age_seconds',
      'kiln_builds_running',
      'kiln_hosts',
      'kiln_hosts_low_disk',
      'kiln_slots',
      'kiln_seeds_in_progress',
    ],
    (set) => {
      const leads = isLeading();
      set('kiln_scheduler_leader', leads ? 1 : 0);
      if (!leads) return;
      const waiting = [...view.pending];
      const oldest = Math.min(view.now, ...waiting.map(([, { build }]) => build.queuedAt));
      set('kiln_builds_queued', waiting.length);
      set('kiln_builds_queued_oldest_age_seconds', (view.now - oldest) / 1000);
      for (const reason of ['team_limit', 'token_limit'] as const)
        set('kiln_builds_withheld', waiting.filter(([id]) => view.withheld(id)?.reason === reason).length, { reason });
      for (const [team, builds] of Map.groupBy(waiting, ([, { build }]) => build.team))
        set('kiln_builds_queued_by_team', builds.length, { team });
      // A host that left in order is only listed for its settings.
      const hosts = [...view.hosts.values()].filter(({ left }) => !left);
      for (const state of STATES) set('kiln_hosts', hosts.filter((host) => stateOf(host) === state).length, { state });
      set('kiln_hosts_low_disk', hosts.filter((host) => host.alive && hasLowDisk(host)).length);
      set(
        'kiln_builds_running',
        hosts.reduce((sum, { held }) => sum + held.length, 0),
      );
      for (const [state, slots] of Object.entries(slotsOf(hosts))) set('kiln_slots', slots, { state });
      set('kiln_seeds_in_progress', seeding?.underWay ?? 0);
    },
  );
}

const STATES = ['lost', 'draining', 'cordoned', 'unavailable', 'ready'] as const;

function stateOf(host: HostState): (typeof STATES)[number] {
  if (!host.alive) return 'lost';
  if (host.draining) return 'draining';
  if (host.cordoned) return 'cordoned';
  return host.report.accepting && !hasLowDisk(host) ? 'ready' : 'unavailable';
}

function hasLowDisk({ report }: HostState): boolean {
  return report.conditions?.includes('low_disk') ?? false;
}

function slotsOf(hosts: readonly HostState[]): Record<'used' | 'free' | 'unavailable', number> {
  const slots = { used: 0, free: 0, unavailable: 0 };
  for (const host of hosts.filter(({ alive }) => alive)) {
    const used = host.held.reduce((sum, { weight }) => sum + weight, 0);
    slots.used += used;
    slots[stateOf(host) === 'ready' ? 'free' : 'unavailable'] += Math.max(0, host.report.slots - used);
  }
  return slots;
}
