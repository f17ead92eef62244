import { addHostChanges } from './host-changes.ts';
import { Random, weightedIndex } from './random.ts';
import { makeRepos, type Repo } from './repos.ts';
import type { Scenario } from './scenario.ts';
import { submissionTimes } from './submissions.ts';
import type { HostSpec, PriorityClass, Trace, TraceBuild } from './trace.ts';

export const CLASSES: readonly PriorityClass[] = [
  { prio: 0, name: 'interactive' },
  { prio: 1, name: 'normal' },
  { prio: 2, name: 'batch' },
];

const HOUR = 3_600;

/** Makes the trace of a scenario. The same seed gives the same trace. */
export function makeTrace(scenario: Scenario, seed: number): Trace {
  const hosts: HostSpec[] = Array.from({ length: scenario.hosts }, (_, i) => ({
    host: `h${i + 1}`,
    slots: scenario.slots,
    disk: scenario.disk,
  }));
  return {
    name: `${scenario.name}, seed ${seed}`,
    hosts,
    changes: addHostChanges(scenario, hosts, new Random(seed, 'hosts')),
    builds: makeBuilds(scenario, seed),
    classes: CLASSES,
    measureFrom: scenario.warmUpHours * HOUR,
  };
}

function makeBuilds(scenario: Scenario, seed: number): TraceBuild[] {
  const repos = makeRepos(scenario, new Random(seed, 'repos'));
  const random = new Random(seed, 'builds');
  const cumulative = running(repos.map(({ popularity }) => popularity));
  const rate = rateFor(scenario, repos);
  const submissions = submissionTimes(
    scenario,
    rate,
    () => weightedIndex(random, cumulative),
    new Random(seed, 'times'),
  );
  const end = scenario.hours * HOUR;
  const versions = new Map<number, number>();
  const drifted = new Random(seed, 'drift');
  const drift = repos.map(() => driftOf(scenario, drifted));
  const updates = new BaseUpdates(scenario, new Random(seed, 'updates'));
  let fresh = 0;
  return submissions.map(({ at, repo: index }, i): TraceBuild => {
    const first = scenario.newRepos !== undefined && random.next() < scenario.newRepos;
    const repo: Repo = first
      ? { ...(repos[random.integer(0, repos.length - 1)] as Repo), name: `new-${++fresh}` }
      : (repos[index] as Repo);
    for (const updated of updates.until(at)) versions.set(updated, (versions.get(updated) ?? 0) + 1);
    if (!first && random.next() < scenario.depChanges) versions.set(index, (versions.get(index) ?? 0) + 1);
    const factor = (at > end / 2 && !first ? (drift[index] ?? 1) : 1) * random.logNormal(1, scenario.noise);
    const warm = repo.warm * factor;
    return {
      build: `b${i + 1}`,
      submitted: at,
      repo: repo.name,
      team: repo.team,
      prio: classOf(scenario, random),
      weight: repo.weight,
      dep: first ? 0 : (versions.get(index) ?? 0),
      run: { warm, stale: warm * repo.staleFactor, cold: warm * repo.coldFactor },
      size: repo.size,
    };
  });
}

/** Returns how many builds per second keep the share `load` of the slots busy if all hosts share one cache. */
function rateFor(scenario: Scenario, repos: readonly Repo[]): number {
  const { load, hosts, slots, depChanges, newRepos = 0, hours, warmUpHours, baseUpdates } = scenario;
  const updateRate = baseUpdates ? baseUpdates.share / baseUpdates.every : 0;
  const before = (warmUpHours * HOUR) / 2;
  const measured = (hours - warmUpHours) * HOUR;
  let rate = 0;
  // The share of first builds depends on the rate, and the rate on that share: a few rounds converge.
  for (let round = 0; round < 8; round++) {
    const meanWork = repos.reduce((sum, { popularity, warm, weight, staleFactor, coldFactor }) => {
      const builds = Math.max(1e-9, rate * popularity * measured);
      const first = (Math.exp(-rate * popularity * before) * (1 - Math.exp(-builds))) / builds;
      const cold = newRepos + (1 - newRepos) * first;
      // The probability of a base update since the repo's last build, if both are Poisson processes.
      const updated = updateRate / (updateRate + Math.max(1e-9, rate * popularity));
      const stale = 1 - (1 - depChanges) * (1 - updated);
      const factor = 1 + cold * (coldFactor - 1) + (1 - cold) * stale * (staleFactor - 1);
      return sum + popularity * warm * weight * factor;
    }, 0);
    rate = (load * hosts * slots) / meanWork;
  }
  return rate;
}

/** The repos whose dependencies base updates change, in order of time. */
class BaseUpdates {
  readonly #scenario: Scenario;
  readonly #random: Random;
  #next: number;

  constructor(scenario: Scenario, random: Random) {
    this.#scenario = scenario;
    this.#random = random;
    this.#next = scenario.baseUpdates ? random.exponential(scenario.baseUpdates.every) : Number.POSITIVE_INFINITY;
  }

  /** Yields the indices of the repos changed up to `at` since the last call. */
  *until(at: number): Generator<number> {
    const { baseUpdates, repos, monorepo } = this.#scenario;
    while (baseUpdates && this.#next <= at) {
      for (let i = 0; i < repos + (monorepo ? 1 : 0); i++) if (this.#random.next() < baseUpdates.share) yield i;
      this.#next += this.#random.exponential(baseUpdates.every);
    }
  }
}

function classOf({ classes }: Scenario, random: Random): number {
  if (!classes) return 1;
  return weightedIndex(random, running([classes.interactive, classes.normal, classes.batch]));
}

function driftOf({ drift }: Scenario, random: Random): number {
  if (!drift || random.next() >= drift.share) return 1;
  const factor = random.logUniform(1, drift.factor);
  return random.next() < 0.5 ? factor : 1 / factor;
}

function running(weights: readonly number[]): number[] {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}
