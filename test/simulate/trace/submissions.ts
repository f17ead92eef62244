import type { Random } from './random.ts';
import type { Scenario, Storms } from './scenario.ts';

export interface Submission {
  readonly at: number;
  /** Index into the scenario's repos. */
  readonly repo: number;
}

const DAY = 86_400;

/** Returns when builds of which repos arrive: a Poisson process of `rate` per second, with the scenario's bursts, storms and nights. */
export function submissionTimes(
  scenario: Scenario,
  rate: number,
  drawRepo: () => number,
  random: Random,
): Submission[] {
  const end = scenario.hours * 3_600;
  const found = [...steady(scenario, rate, end, drawRepo, random)];
  if (scenario.storms) found.push(...storms(scenario.storms, scenario, drawRepo, random));
  if (scenario.trains) found.push(...trains(scenario.trains, scenario, drawRepo, random));
  return found.filter(({ at }) => at < end).sort((a, b) => a.at - b.at);
}

function* steady(
  scenario: Scenario,
  rate: number,
  end: number,
  drawRepo: () => number,
  random: Random,
): Generator<Submission> {
  const { bursts, daySwing = 0 } = scenario;
  const meanBurst = bursts ? (bursts.builds[0] + bursts.builds[1]) / 2 : 1;
  // A burst is one arrival with several builds, so arrivals are rarer to keep the rate of builds.
  const burstShare = bursts ? bursts.share / meanBurst / (1 - bursts.share + bursts.share / meanBurst) : 0;
  const arrivals = rate / (1 - burstShare + burstShare * meanBurst);
  for (let at = random.exponential(1 / arrivals); at < end; at += random.exponential(1 / arrivals / (1 + daySwing))) {
    // Thinning: arrivals are drawn at the highest rate and kept in proportion to the current one.
    const level = 1 - daySwing * Math.cos((2 * Math.PI * at) / DAY);
    const warmUp = at < scenario.warmUpHours * 3_600 ? 0.5 : 1;
    if (random.next() * (1 + daySwing) >= level * warmUp) continue;
    const repo = drawRepo();
    yield { at, repo };
    if (!bursts || random.next() >= burstShare) continue;
    const more = random.integer(...bursts.builds) - 1;
    for (let i = 0; i < more; i++) yield { at: at + random.next() * bursts.within, repo };
  }
}

/** Yields builds of many repos at once, as after an update by a bot. */
function* storms(
  { every, builds, within }: Storms,
  scenario: Scenario,
  drawRepo: () => number,
  random: Random,
): Generator<Submission> {
  for (const at of stormTimes(every, scenario, random)) {
    const count = random.integer(...builds);
    for (let i = 0; i < count; i++) yield { at: at + random.next() * within, repo: drawRepo() };
  }
}

/** Yields many builds of one repo at once. */
function* trains(
  { every, builds, within }: Storms,
  scenario: Scenario,
  drawRepo: () => number,
  random: Random,
): Generator<Submission> {
  for (const at of stormTimes(every, scenario, random)) {
    const repo = drawRepo();
    const count = random.integer(...builds);
    for (let i = 0; i < count; i++) yield { at: at + random.next() * within, repo };
  }
}

function* stormTimes(every: number, { hours, warmUpHours }: Scenario, random: Random): Generator<number> {
  for (let at = random.between(0.3, 1) * every; at < hours * 3_600; at += random.between(0.7, 1.3) * every) {
    if (at >= warmUpHours * 3_600) yield at;
  }
}
