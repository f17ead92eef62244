import type { Trust } from '../../access/principal.ts';
import type {
  ConsideredHost,
  DecisionReason,
  PlacementDecision,
  Prediction,
  SeedUnderWay,
  Verdict,
} from '../model/decision.ts';
import type { PendingBuild } from '../model/model.ts';
import { warmthFor } from '../model/warmth-for.ts';
import type { Choice } from '../pass/choice.ts';
import type { Pass } from '../pass/pass.ts';
import type { PendingGroup } from '../pool/pending-group.ts';
import type { PoolHost } from '../pool/pool-host.ts';
import type { PoolRepo } from '../pool/pool-repo.ts';
import { Shortlist, type Weighed } from './shortlist.ts';

/** How many hosts a decision lists at most. */
const LISTED = 20;

/**
 * Returns the reasons of a decision, by the state of the pass: at its assignment for a build that gets a host, at the end of the pass for one
 * that waits. `choice` is undefined if it can't be predicted when there will be room.
 */
export function explain(
  pass: Pass,
  group: PendingGroup,
  build: PendingBuild,
  choice: Choice | undefined,
): PlacementDecision {
  const { now, pool } = pass;
  const assigned = choice !== undefined && choice.startAt <= now;
  const listed = new Map<PoolHost, ConsideredHost>();
  for (const one of weigh(pass, group, choice)) {
    const verdict = verdictOf(one, choice, assigned);
    const extras = extrasOf(pass, group, one);
    const more = { predicted: prediction(one), ...(Object.keys(extras).length > 0 && { extras }) };
    listed.set(one.host, { ...bare(pass, group, one.host, verdict), ...more });
  }
  for (const host of pool.hosts.all.values()) {
    if (listed.size >= LISTED) break;
    if (!listed.has(host)) listed.set(host, bare(pass, group, host, roughVerdict(pass, group, host)));
  }
  const fitting = pass.fitting(group.hosts);
  const others = listed.size < pool.hosts.all.size ? countOthers(pass, group, listed.keys()) : {};
  return {
    build: build.id,
    host: assigned ? choice.host.view.name : null,
    reason: reasonOf(pass, group, build, choice, fitting.size),
    decidedAt: now,
    ...(choice && { predicted: prediction(choice) }),
    considered: [...listed.values()],
    ...(Object.keys(others).length > 0 && { others }),
  };
}

/** Returns the least costly of the hosts with the cache and of the free hosts without it on which a cold run was weighed. */
function weigh(pass: Pass, group: PendingGroup, choice: Choice | undefined): readonly Weighed[] {
  const { now } = pass;
  const { repo } = group;
  const hosts = pass.heldHosts(group);
  const best = new Shortlist(LISTED);
  for (const held of hosts.all) {
    const { host, warmth, runMs } = held;
    const freeAt = hosts.start(held);
    // If the build itself has reserved slots there, it starts when those come free.
    const startAt = host === choice?.host && warmth === choice.warmth ? choice.startAt : freeAt;
    if (!Number.isFinite(startAt)) continue;
    const cost = hosts.costFrom(held, freeAt);
    const isChoice = isChosen(host, startAt, choice);
    if (best.admits(cost, isChoice)) best.add({ host, startAt, runMs, warmth, cost, isChoice, held });
  }
  const runMs = pass.coldRun(repo);
  const worth = hosts.worth({ warmth: 0, runMs });
  for (const host of pass.coldHosts(group.hosts)) {
    if (host.caches.has(repo) || pass.timeline(host).freeNow < group.weight) continue;
    const cost = pass.coldCost(group, host, runMs, worth);
    best.add({ host, startAt: now, runMs, warmth: 0, cost, isChoice: isChosen(host, now, choice) });
  }
  return best.hosts;
}

function isChosen(host: PoolHost, startAt: number, choice: Choice | undefined): boolean {
  return host === choice?.host && startAt === choice.startAt;
}

function extrasOf(pass: Pass, group: PendingGroup, { host, runMs, held }: Weighed): Record<string, number> {
  const { costs } = pass;
  const { repo } = group;
  const hosts = pass.heldHosts(group);
  if (held) return rounded({ others: hosts.extras(held), spread: -hosts.worth(held) });
  const free = pass.timeline(host).freeNow;
  return rounded({
    wanted: costs.wanted(host, free),
    crowding: costs.crowding(host, free, runMs),
    eviction: costs.eviction(host, repo),
    spread: -hosts.worth({ warmth: 0, runMs }),
  });
}

/** Returns the verdict on a host that wasn't weighed. */
function roughVerdict(pass: Pass, { hosts, weight }: PendingGroup, host: PoolHost): Verdict {
  if (!pass.fitting(hosts).has(host)) return hosts.ruledOut(host);
  return pass.timeline(host).freeNow < weight ? 'full' : 'costs_others';
}

/** Counts the hosts that aren't listed by verdict, without looking at each. */
function countOthers(pass: Pass, group: PendingGroup, listed: Iterable<PoolHost>): Record<string, number> {
  const { hosts } = group;
  const room = pass.withRoom(hosts);
  const counts = new Map<Verdict, number>(hosts.ruledOutCounts(pass.pool.hosts));
  counts.set('costs_others', room);
  counts.set('full', pass.fitting(hosts).size - room);
  for (const host of listed) {
    const verdict = roughVerdict(pass, group, host);
    counts.set(verdict, (counts.get(verdict) ?? 0) - 1);
  }
  return Object.fromEntries([...counts].filter(([, count]) => count > 0));
}

function verdictOf({ host, startAt, runMs }: Weighed, choice: Choice | undefined, assigned: boolean): Verdict {
  if (host === choice?.host) return assigned ? 'chosen' : 'awaited';
  return choice && startAt + runMs <= choice.startAt + choice.runMs ? 'costs_others' : 'later';
}

function reasonOf(
  pass: Pass,
  group: PendingGroup,
  build: PendingBuild,
  choice: Choice | undefined,
  fitting: number,
): DecisionReason {
  if (pass.pool.hosts.all.size === 0) return 'no_host';
  if (fitting === 0) {
    if (!isServed(pass, build.trust)) return `none_${build.trust}`;
    if (isOthers(pass, group)) return 'none_of_domain';
    return isModeMissing(pass, group) ? 'none_of_mode' : 'none_fits';
  }
  if (!choice) return 'all_full';
  if (choice.seeding) return 'waits_for_seed';
  if (choice.startAt > pass.now) return pass.coldHosts(group.hosts).length > 0 ? 'waits_for_warm' : 'all_full';
  if (choice.warmth >= 0.75) return 'warm';
  if (choice.warmth > 0) return 'partly_warm';
  const held = pass.heldHosts(group);
  const best = held.best;
  if (!best) return 'cold';
  const startAt = held.start(best);
  if (choice.startAt + choice.runMs <= startAt + best.runMs) return 'cold_sooner';
  return pass.costs.impatience(build.createdAt, startAt) > 0 ? 'waited_enough' : 'spread';
}

function isServed(pass: Pass, trust: Trust): boolean {
  return [...pass.pool.hosts.all.values()].some(({ view }) => view.trust.includes(trust));
}

/** Returns whether every host that takes builds of the trust class serves only other isolation domains. */
function isOthers(pass: Pass, { hosts }: PendingGroup): boolean {
  const counts = hosts.ruledOutCounts(pass.pool.hosts);
  const others = counts.get('other_domain') ?? 0;
  return others > 0 && others + (counts.get('trust_missing') ?? 0) === pass.pool.hosts.all.size;
}

/** Returns whether every host that takes builds of the trust class lacks the build's cache mode. */
function isModeMissing(pass: Pass, { hosts }: PendingGroup): boolean {
  const counts = hosts.ruledOutCounts(pass.pool.hosts);
  const missing = counts.get('mode_missing') ?? 0;
  return missing > 0 && missing + (counts.get('trust_missing') ?? 0) === pass.pool.hosts.all.size;
}

function bare(pass: Pass, { repo, cacheVersion }: PendingGroup, host: PoolHost, verdict: Verdict): ConsideredHost {
  const cache = host.caches.get(repo);
  const warmth = cache ? warmthFor(cache, cacheVersion) : 0;
  const { name, slots, domain } = host.view;
  const serves = verdict === 'other_domain' && domain !== undefined ? { serves: domain } : {};
  const seeding = seedOf(pass, host, repo);
  return { host: name, slots, usedSlots: host.usedSlots, warmth, verdict, ...serves, ...(seeding && { seeding }) };
}

function seedOf(pass: Pass, host: PoolHost, repo: PoolRepo): SeedUnderWay | undefined {
  const coming = host.seeds.get(repo);
  return coming ? { from: coming.from, readyAt: Math.round(pass.timeline(host).endOf(coming)) } : host.seeded.get(repo);
}

function prediction({ startAt, runMs, warmth }: Pick<Choice, 'startAt' | 'runMs' | 'warmth'>): Prediction {
  const start = Math.round(startAt);
  return { startAt: start, finishAt: start + Math.round(runMs), runMs: Math.round(runMs), warmth };
}

function rounded(extras: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(extras).map(([name, ms]) => [name, Math.round(ms)] as const);
  return Object.fromEntries(entries.filter(([, ms]) => ms !== 0));
}
