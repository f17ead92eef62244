/** A build that waits for a host. Times in ms since the epoch. */
export interface PendingBuild {
  readonly id: string;
  readonly repo: string;
  readonly team: string;
  readonly priority: Priority;
  readonly queuedAt: number;
  readonly createdAt: number;
  /** Slots that the build takes. */
  readonly weight: number;
  readonly platforms: readonly string[];
  /** Labels that a host must have to take the build. */
  readonly hostLabels: Readonly<Record<string, string>>;
  /** Hosts that already lost an attempt of this build: taken again only when nothing else fits. */
  readonly lostOn: readonly string[];
}

export const PRIORITIES = ['interactive', 'normal', 'batch'] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface HostView {
  readonly name: string;
  readonly slots: number;
  readonly usedSlots: number;
  readonly platforms: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly cordoned: boolean;
  readonly draining: boolean;
}

export interface PlacementSnapshot {
  readonly pending: readonly PendingBuild[];
  readonly hosts: readonly HostView[];
}

/** Why a host can't take a build, whatever its load. */
export type RuledOut = 'cordoned' | 'draining' | 'platform_missing' | 'label_missing' | 'too_small' | 'lost_it_before';

/** One host as a decision saw it. */
export interface ConsideredHost {
  readonly host: string;
  readonly slots: number;
  readonly usedSlots: number;
  /** 0 to 1; 0 where the inventory says nothing of the repo. */
  readonly warmth: number;
  readonly verdict: 'chosen' | 'busier' | 'full' | RuledOut;
}

/** The decision for one pending build: a host, or to wait; always with every host and what spoke for or against it. */
export interface PlacementDecision {
  readonly build: string;
  readonly host: string | null;
  readonly reason: 'least_busy' | 'all_full' | 'no_host' | 'none_fits';
  readonly decidedAt: number;
  readonly considered: readonly ConsideredHost[];
}

const CLASS_RANK: Readonly<Record<Priority, number>> = { interactive: 0, normal: 1, batch: 2 };
/** A lower class is served as if it had come this much later, so age wins in the end and nothing starves. */
const CLASS_PENALTY_MS = 600_000;

/**
 * Decides, for every pending build in turn, which host takes it at `now` (ms since the epoch).
 * Plain policy: order by class and age, the least busy host that fits. Pure, and never hands a host more than its free slots.
 */
export function place(snapshot: PlacementSnapshot, now: number): PlacementDecision[] {
  const used = new Map(snapshot.hosts.map((host) => [host.name, host.usedSlots]));
  return inOrder(snapshot.pending).map((build) => {
    const decision = decide(build, snapshot.hosts, used, now);
    if (decision.host !== null) used.set(decision.host, (used.get(decision.host) ?? 0) + build.weight);
    return decision;
  });
}

function inOrder(pending: readonly PendingBuild[]): PendingBuild[] {
  const due = (build: PendingBuild) => build.createdAt + CLASS_RANK[build.priority] * CLASS_PENALTY_MS;
  return [...pending].sort((a, b) => due(a) - due(b) || (a.id < b.id ? -1 : 1));
}

function decide(
  build: PendingBuild,
  hosts: readonly HostView[],
  used: ReadonlyMap<string, number>,
  now: number,
): PlacementDecision {
  const usedOf = (host: HostView) => used.get(host.name) ?? 0;
  const fits = hosts.map((host) => ({ host, ruledOut: ruleOut(build, host) }));
  // A host that lost this build before is the last resort, not forbidden: in a pool of one it is all there is.
  const fresh = fits.some(({ ruledOut }) => ruledOut === undefined);
  const verdicts = fits.map(({ host, ruledOut }) => ({
    host,
    ruledOut: ruledOut === 'lost_it_before' && !fresh ? undefined : ruledOut,
  }));
  const open = verdicts.filter(({ host, ruledOut }) => !ruledOut && host.slots - usedOf(host) >= build.weight);
  const chosen = open.reduce<HostView | undefined>(
    (best, { host }) => (best && load(best, usedOf) <= load(host, usedOf) ? best : host),
    undefined,
  );
  const considered = verdicts.map(({ host, ruledOut }): ConsideredHost => {
    const full = host.slots - usedOf(host) < build.weight;
    const verdict = ruledOut ?? (host === chosen ? 'chosen' : full ? 'full' : 'busier');
    return { host: host.name, slots: host.slots, usedSlots: usedOf(host), warmth: 0, verdict };
  });
  const reason = chosen
    ? 'least_busy'
    : hosts.length === 0
      ? 'no_host'
      : considered.some(({ verdict }) => verdict === 'full')
        ? 'all_full'
        : 'none_fits';
  return { build: build.id, host: chosen?.name ?? null, reason, decidedAt: now, considered };
}

function load(host: HostView, usedOf: (host: HostView) => number): number {
  return usedOf(host) / host.slots;
}

function ruleOut(build: PendingBuild, host: HostView): RuledOut | undefined {
  if (host.draining) return 'draining';
  if (host.cordoned) return 'cordoned';
  if (!build.platforms.every((platform) => host.platforms.includes(platform))) return 'platform_missing';
  const wanted = Object.entries(build.hostLabels);
  if (!wanted.every(([label, value]) => host.labels[label] === value)) return 'label_missing';
  if (build.weight > host.slots) return 'too_small';
  if (build.lostOn.includes(host.name)) return 'lost_it_before';
  return undefined;
}
