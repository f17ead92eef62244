import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';

export interface Submission {
  readonly at: number;
  /** Index into the scenario's repos. */
  readonly repo: number;
}

const DAY = 86_400;

/** When builds of which repos come in: a Poisson stream of `rate` a second, with the scenario's bursts, storms and nights. */
export function submissionTimes(
  scenario: Scenario,
  rate: number,
  drawRepo: () => number,
  random: Random,
): Submission[] {
  const end = scenario.hours * 3_600;
  const found = [...steady(scenario, rate, end, drawRepo, random), ...storms(scenario, end, drawRepo, random)];
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
  // A burst is one arrival with several builds: arrivals are the rarer, so that the rate of builds stays.
  const burstShare = bursts ? bursts.share / meanBurst / (1 - bursts.share + bursts.share / meanBurst) : 0;
  const arrivals = rate / (1 - burstShare + burstShare * meanBurst);
  for (let at = random.exponential(1 / arrivals); at < end; at += random.exponential(1 / arrivals / (1 + daySwing))) {
    // Thinning: candidates at the highest rate, kept in proportion to the hour's.
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

/** As when a base image or a bot's update touches everything. */
function* storms(scenario: Scenario, end: number, drawRepo: () => number, random: Random): Generator<Submission> {
  const { storms } = scenario;
  if (!storms) return;
  for (let at = random.between(0.3, 1) * storms.every; at < end; at += random.between(0.7, 1.3) * storms.every) {
    if (at < scenario.warmUpHours * 3_600) continue;
    const builds = random.integer(...storms.builds);
    for (let i = 0; i < builds; i++) yield { at: at + random.next() * storms.within, repo: drawRepo() };
  }
}
