import type { Scenario } from './scenario.ts';

const BASE = {
  hours: 28,
  warmUpHours: 4,
  hosts: 10,
  slots: 2,
  disk: 20,
  repos: 200,
  zipf: 1,
  warm: [20, 600],
  coldFactor: [2, 10],
  noise: 0.25,
  depChanges: 0.02,
  bursts: { share: 0.15, builds: [3, 8], within: 120 },
} as const;

/** Scenarios on which the policy's constants were chosen (seeds 1 to 3). */
export const TUNED: readonly Scenario[] = [
  { ...BASE, name: 'half', about: 'half of the warm capacity', load: 0.5 },
  { ...BASE, name: 'busy', about: 'three quarters of the warm capacity', load: 0.75 },
  {
    ...BASE,
    name: 'storms',
    about: 'half, and every three hours 80 to 200 builds at once',
    load: 0.5,
    storms: { every: 10_800, builds: [80, 200], within: 300 },
  },
  {
    ...BASE,
    name: 'day',
    about: 'day and night: from a tenth of the load to twice its mean',
    hours: 52,
    load: 0.5,
    daySwing: 0.85,
  },
  {
    ...BASE,
    name: 'monorepo',
    about: 'one repo is a third of the builds, eight minutes warm, an hour cold',
    load: 0.65,
    repos: 120,
    monorepo: { share: 0.3, warm: 480, coldFactor: 7, size: 4 },
  },
  {
    ...BASE,
    name: 'losses',
    about: 'a host is lost every two hours; an empty one comes after ten minutes',
    load: 0.55,
    losses: { every: 7_200, backAfter: 600 },
  },
];

/** Scenarios that were not used to choose the constants. */
export const UNSEEN: readonly Scenario[] = [
  {
    ...BASE,
    name: 'scale',
    about: 'four hosts come empty at a third of the time, and are drained at two thirds',
    load: 0.7,
    hosts: 8,
    scale: { hosts: 4, upAt: 0.33, drainAt: 0.67 },
  },
  {
    ...BASE,
    name: 'teams',
    about: 'one team submits most; three classes; a tenth of the repos take two slots',
    load: 0.65,
    slots: 4,
    hosts: 6,
    disk: 30,
    heavy: 0.1,
    teams: { loud: 0.7, middle: 0.2, small: 0.1 },
    classes: { interactive: 0.2, normal: 0.6, batch: 0.2 },
    storms: { every: 14_400, builds: [100, 250], within: 600 },
  },
  {
    ...BASE,
    name: 'strangers',
    about: 'one build in ten is of a repo never seen before; halfway, a third of the repos change their durations',
    load: 0.45,
    newRepos: 0.1,
    drift: { share: 0.35, factor: 4 },
  },
  {
    ...BASE,
    name: 'large',
    about: '40 hosts of 4 slots, 900 repos, small disks',
    hours: 10,
    hosts: 40,
    slots: 4,
    disk: 24,
    repos: 900,
    zipf: 0.9,
    load: 0.7,
  },
  {
    ...BASE,
    name: 'tight',
    about: 'disks for half of the repos, dependencies change often',
    load: 0.4,
    disk: 10,
    depChanges: 0.1,
  },
  { ...BASE, name: 'flat', about: 'repos of nearly equal popularity', load: 0.65, zipf: 0.4, disk: 24 },
];

export const SCENARIOS: readonly Scenario[] = [...TUNED, ...UNSEEN];
