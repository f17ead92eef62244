import type { HostLossView } from '@kiln/contracts';
import { cheapestToLose, type LearnedFacts, readCacheKey } from '@kiln/domain';
import type { HostState } from '@kiln/state';

/** How many caches of a host are listed. */
const SHOWN_CACHES = 20;

/** The view of what the loss of each host that takes builds would cost, the cheapest first. @param now ms since the epoch */
export function viewLosses(hosts: readonly HostState[], learned: LearnedFacts, now: number): HostLossView[] {
  const byName = new Map(hosts.map((host) => [host.report.name, host]));
  const copies = hosts.map(({ report, alive, cordoned, draining, caches }) => ({
    host: report.name,
    open: alive && !cordoned && !draining && report.accepting && !report.conditions?.includes('low_disk'),
    caches,
  }));
  return cheapestToLose(copies, learned, now).map(({ host, msPerHour, caches }) => ({
    name: host,
    secondsPerHour: seconds(msPerHour),
    builds: byName.get(host)?.held.length ?? 0,
    caches: caches.slice(0, SHOWN_CACHES).map(({ repo, msPerHour: each, onlyCopy, bytes }) => ({
      ...readCacheKey(repo),
      secondsPerHour: seconds(each),
      onlyCopy,
      bytes,
    })),
  }));
}

/** ms as seconds with one decimal. */
function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
