import type { HostInfoView } from '@kiln/contracts';
import type { HostState, PublishedInventory } from '@kiln/state';
import { instant } from '../http/answer.ts';

/** Least warmth of a repo that counts as warm on a host. */
const WARM = 0.5;

/** The view of a host, which leaves out the worker's incarnation and machine. */
export function viewHost(host: HostState): HostInfoView {
  const { report, reported, orders, held, lastSeenAt } = host;
  const { domainsAway = [], incidents } = report;
  const { name, slots, labels, platforms, driver, engineVersion, buildxVersion, buildkitVersion, disk, network } =
    report;
  const { trust, isolation, oneDomain, cacheBudgetBytes, cacheBudgets, cacheBudgetFrom } = report;
  const isChanged = orders.slots !== undefined || Object.keys(orders.labels).length > 0;
  return {
    name,
    state: stateOf(host),
    ...(report.conditions && report.conditions.length > 0 && { conditions: [...report.conditions] }),
    slots,
    usedSlots: held.reduce((sum, { weight }) => sum + weight, 0),
    labels: { ...labels },
    ...(isChanged && { reported: { slots: reported.slots, labels: { ...reported.labels } } }),
    ...(orders.drain && {
      drain: {
        since: instant(orders.drain.since),
        ...(orders.drain.deadline !== undefined && { deadline: instant(orders.drain.deadline) }),
        ...(orders.drain.caches && { caches: orders.drain.caches }),
      },
    }),
    platforms: [...platforms],
    ...(report.emulated && report.emulated.length > 0 && { emulated: [...report.emulated] }),
    driver,
    trust: [...trust],
    isolation,
    oneDomain,
    ...(host.serves !== undefined && { domain: host.serves }),
    ...(report.cacheModes && { cacheModes: [...report.cacheModes] }),
    engineVersion,
    buildxVersion,
    ...(buildkitVersion !== undefined && { buildkitVersion }),
    ...(disk && { disk: { ...disk } }),
    ...(report.load && { load: { ...report.load } }),
    ...(network && { network: { ...network } }),
    builds: held.map(({ buildId, attempt }) => ({ id: buildId, attempt })),
    lastSeenAt: instant(lastSeenAt),
    ...(domainsAway.length > 0 && { domainsAway: [...domainsAway] }),
    ...(incidents && { incidents: incidents.map((incident) => ({ ...incident, at: instant(incident.at) })) }),
    ...(cacheBudgetBytes !== undefined && { cacheBudgetBytes }),
    ...(cacheBudgets && { cacheBudgets: { ...cacheBudgets } }),
    ...(cacheBudgetFrom !== undefined && { cacheBudgetFrom }),
    ...(host.inventory && { caches: viewCaches(host, host.inventory) }),
  };
}

function viewCaches({ caches }: HostState, inventory: PublishedInventory): NonNullable<HostInfoView['caches']> {
  const { readAt, usedBytes, usedByDomain = inventory.usedByTrust, mounts, mountsLeftOut, sizesAreFloors } = inventory;
  return {
    readAt: instant(readAt),
    usedBytes,
    ...(usedByDomain && { usedByDomain: { ...usedByDomain } }),
    mounts: mounts.length + mountsLeftOut,
    warmRepos: [...caches.values()].filter(({ warmth }) => warmth >= WARM).length,
    sizesAreFloors,
  };
}

/** The state to show; the first match wins, so a lost host is `lost` whatever its orders. */
function stateOf({ report, orders, alive, left, held }: HostState): HostInfoView['state'] {
  if (!alive) return left ? 'left' : 'lost';
  if (orders.removing) return 'removing';
  if (orders.drain) return held.length === 0 ? 'drained' : 'draining';
  if (!report.accepting) return 'draining';
  return orders.cordoned ? 'cordoned' : 'ready';
}
