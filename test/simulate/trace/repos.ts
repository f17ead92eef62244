import type { Random } from './random.ts';
import type { Scenario } from './scenario.ts';

/** A repo of a made trace. Runs in seconds. */
export interface Repo {
  readonly name: string;
  readonly team: string;
  /** Share of all builds. */
  readonly popularity: number;
  readonly warm: number;
  readonly staleFactor: number;
  readonly coldFactor: number;
  readonly weight: number;
  readonly size: number;
}

/** Where a stale run is between a warm (0) and a cold one (1). */
const STALE = [0.15, 0.6] as const;
const SIZE_SIGMA = 0.5;

export function makeRepos(scenario: Scenario, random: Random): Repo[] {
  const { repos, zipf, warm, coldFactor, heavy = 0, monorepo } = scenario;
  const shares = Array.from({ length: repos }, (_, k) => 1 / (k + 1) ** zipf);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const rest = 1 - (monorepo?.share ?? 0);
  const made = shares.map((share, k): Repo => {
    const cold = random.logUniform(...coldFactor);
    return {
      name: `repo-${k + 1}`,
      team: teamOf(scenario, random),
      popularity: (rest * share) / total,
      warm: random.logUniform(...warm),
      staleFactor: 1 + (cold - 1) * random.between(...STALE),
      coldFactor: cold,
      weight: random.next() < heavy ? 2 : 1,
      size: random.logNormal(1, SIZE_SIGMA),
    };
  });
  if (!monorepo) return made;
  return [
    {
      name: 'monorepo',
      team: teamOf(scenario, random),
      popularity: monorepo.share,
      warm: monorepo.warm,
      staleFactor: 1 + (monorepo.coldFactor - 1) * 0.3,
      coldFactor: monorepo.coldFactor,
      weight: 1,
      size: monorepo.size,
    },
    ...made,
  ];
}

function teamOf({ teams }: Scenario, random: Random): string {
  if (!teams) return '';
  let target = random.next() * Object.values(teams).reduce((sum, share) => sum + share, 0);
  for (const [team, share] of Object.entries(teams)) {
    target -= share;
    if (target < 0) return team;
  }
  return Object.keys(teams)[0] ?? '';
}
