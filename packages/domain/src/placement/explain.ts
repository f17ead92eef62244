import type { Trust } from '../access/principal.ts';
import type { ConsideredHost, DecisionReason, PlacementDecision, Prediction, Verdict } from './decision.ts';
import type { Choice, Pass } from './pass.ts';
import type { PendingGroup } from './pending-group.ts';
import type { PoolHost } from './pool-host.ts';
import { warmthFor } from './pool-repo.ts';
import type { PendingBuild } from './words.ts';

/** A pool of so many hosts is listed whole; of a larger one, the best so many. */
const LISTED = 20;

interface Weighed {
  readonly host: PoolHost;
  readonly predicted: Prediction;
  readonly cost: number;
  readonly extras?: Readonly<Record<string, number>>;
}

/**
 * The reasons of a decision, as the pass stands: when it is made for a build that is given a host; for one that waits, when all was
 * decided. `choice` undefined: nothing tells when there will be room.
 */
export function explain(
  pass: Pass,
  group: PendingGroup,
  build: PendingBuild,
  choice: Choice | undefined,
): PlacementDecision {
  const { now, pool } = pass;
  const weighed = weigh(pass, group, choice);
  const assigned = choice !== undefined && choice.startAt <= now;
  const listed = new Map<PoolHost, ConsideredHost>();
  for (const one of weighed.sort((a, b) => rank(a, choice) - rank(b, choice) || a.cost - b.cost)) {
    if (listed.size >= LISTED) break;
    if (!listed.has(one.host)) listed.set(one.host, considered(group, one, verdictOf(one, choice, assigned)));
  }
  const others: Record<string, number> = {};
  const fitting = pass.fitting(group.hosts);
  for (const { host, verdict } of rest(pass, group, fitting, listed)) {
    if (listed.size < LISTED) listed.set(host, bare(group, host, verdict));
    else others[verdict] = (others[verdict] ?? 0) + 1;
  }
  return {
    build: build.id,
    host: assigned ? choice.host.view.name : null,
    reason: reasonOf(pass, group, build, choice, fitting.size),
    decidedAt: now,
    ...(choice && { predicted: prediction(choice) }),
    considered: [...listed.values()],
    ...(Object.keys(others).length > 0 && { others }),
    ...(pool.hosts.all.size === 0 && { considered: [] }),
  };
}

/** Hosts with the cache, and the free ones without that a cold run was weighed for. */
function weigh(pass: Pass, group: PendingGroup, choice: Choice | undefined): Weighed[] {
  const { now, costs } = pass;
  const { repo } = group;
  const held = pass.heldHosts(group);
  const found: Weighed[] = held.all.map((one) => {
    // Where the build itself has reserved slots, it starts when those come free.
    const reserved = one.host === choice?.host && one.warmth === choice.warmth;
    const startAt = reserved ? choice.startAt : held.start(one);
    const extras = rounded({ others: held.extras(one) });
    const predicted = prediction({ ...one, startAt });
    return { host: one.host, predicted, cost: held.cost(one), ...(Object.keys(extras).length > 0 && { extras }) };
  });
  const runMs = repo.coldRun(now);
  for (const host of pass.coldHosts(group.hosts)) {
    const free = pass.timeline(host).freeNow;
    if (repo.holders.has(host) || free < group.weight) continue;
    const extras = {
      wanted: costs.wanted(host, free),
      crowding: costs.crowding(host, free, runMs),
      eviction: costs.eviction(host, repo),
      spread: -costs.spread(repo, runMs - repo.runs.warm),
    };
    const predicted = prediction({ startAt: now, warmth: 0, runMs });
    found.push({ host, predicted, cost: pass.coldCost(group, host, runMs), extras: rounded(extras) });
  }
  return found.filter(({ predicted }) => Number.isFinite(predicted.startAt));
}

function* rest(
  pass: Pass,
  group: PendingGroup,
  fitting: ReadonlySet<PoolHost>,
  listed: ReadonlyMap<PoolHost, ConsideredHost>,
): Generator<{ host: PoolHost; verdict: Verdict }> {
  for (const host of pass.pool.hosts.all.values()) {
    if (listed.has(host)) continue;
    if (!fitting.has(host)) yield { host, verdict: group.hosts.ruledOut(host) ?? 'lost_it_before' };
    else yield { host, verdict: pass.timeline(host).freeNow < group.weight ? 'full' : 'costs_others' };
  }
}

function rank({ host, predicted }: Weighed, choice: Choice | undefined): number {
  return host === choice?.host && predicted.startAt === Math.round(choice.startAt) ? 0 : 1;
}

function verdictOf({ host, predicted }: Weighed, choice: Choice | undefined, assigned: boolean): Verdict {
  if (host === choice?.host) return assigned ? 'chosen' : 'awaited';
  if (choice && predicted.finishAt <= choice.startAt + choice.runMs) return 'costs_others';
  return 'later';
}

function reasonOf(
  pass: Pass,
  group: PendingGroup,
  build: PendingBuild,
  choice: Choice | undefined,
  fitting: number,
): DecisionReason {
  if (pass.pool.hosts.all.size === 0) return 'no_host';
  if (fitting === 0) return isServed(pass, build.trust) ? 'none_fits' : `none_${build.trust}`;
  if (!choice) return 'all_full';
  if (choice.startAt > pass.now) return pass.coldHosts(group.hosts).length > 0 ? 'waits_for_warm' : 'all_full';
  if (choice.warmth >= 0.75) return 'warm';
  if (choice.warmth > 0) return 'partly_warm';
  const held = pass.heldHosts(group);
  const best = held.best;
  if (!best) return 'cold';
  const startAt = held.start(best);
  if (choice.startAt + choice.runMs <= startAt + best.runMs) return 'cold_sooner';
  return pass.costs.impatience(group.repo, build.createdAt, startAt) > 0 ? 'waited_enough' : 'spread';
}

function isServed(pass: Pass, trust: Trust): boolean {
  return [...pass.pool.hosts.all.values()].some(({ view }) => view.trust.includes(trust));
}

function considered(group: PendingGroup, { host, predicted, extras }: Weighed, verdict: Verdict): ConsideredHost {
  return { ...bare(group, host, verdict), predicted, ...(extras && { extras }) };
}

function bare({ repo, cacheVersion }: PendingGroup, host: PoolHost, verdict: Verdict): ConsideredHost {
  const cache = host.caches.get(repo);
  const warmth = cache ? warmthFor(cache, cacheVersion) : 0;
  return { host: host.view.name, slots: host.view.slots, usedSlots: host.usedSlots, warmth, verdict };
}

function prediction({ startAt, runMs, warmth }: Pick<Choice, 'startAt' | 'runMs' | 'warmth'>): Prediction {
  const start = Math.round(startAt);
  return { startAt: start, finishAt: start + Math.round(runMs), runMs: Math.round(runMs), warmth };
}

function rounded(extras: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(extras).map(([name, ms]) => [name, Math.round(ms)] as const);
  return Object.fromEntries(entries.filter(([, ms]) => ms !== 0));
}
