import { Random } from './random.ts';
import type { Scenario } from './scenario.ts';

/** How large a random pool may be, and how long its trace. */
export interface PoolSize {
  readonly hosts: readonly [number, number];
  readonly slots: readonly [number, number];
  readonly hours: number;
  readonly warmUpHours: number;
}

export const ANY_SIZE: PoolSize = { hosts: [3, 40], slots: [1, 4], hours: 28, warmUpHours: 4 };
/** Pools that are played within a second or two. */
export const SMALL_SIZE: PoolSize = { hosts: [3, 8], slots: [1, 2], hours: 14, warmUpHours: 4 };

const MINUTE = 60;
const HOUR = 3_600;

/**
 * Draws a pool in which nothing is typical: size, load, popularity, durations, how much a cache saves, noise, bursts, storms, dependency
 * changes and lost hosts each come from a wide range. A policy can't be fitted to a few scenarios with it. The same seed gives the same pool.
 */
export function randomPool(seed: number, size: PoolSize = ANY_SIZE): Scenario {
  const random = new Random(seed, 'pool');
  const sometimes = <T>(chance: number, draw: () => T): T | undefined => (random.next() < chance ? draw() : undefined);
  const hosts = Math.round(random.logUniform(...size.hosts));
  const slots = random.integer(...size.slots);
  const repos = Math.round(random.logUniform(10, 200) * Math.sqrt(hosts));
  const batch = random.between(0, 0.6);
  return {
    name: `pool ${seed}`,
    about: 'a pool drawn at random',
    hours: size.hours,
    warmUpHours: size.warmUpHours,
    hosts,
    slots,
    disk: Math.max(3, Math.round(repos * random.logUniform(0.05, 1))),
    repos,
    zipf: random.between(0, 1.3),
    load: random.between(0.3, 0.85),
    ...builds(random),
    depChanges: random.logUniform(0.004, 0.3),
    bursts: {
      share: random.between(0, 0.8),
      builds: [2, random.integer(3, 12)],
      within: random.logUniform(2 * MINUTE, HOUR),
    },
    daySwing: random.between(0, 0.6),
    classes: { interactive: (1 - batch) / 2, normal: (1 - batch) / 2, batch },
    ...optional(
      'monorepo',
      sometimes(0.3, () => ({ share: random.between(0.2, 0.7), warm: 180, coldFactor: 6, size: 3 })),
    ),
    ...optional(
      'storms',
      sometimes(0.7, () => stormsOf(random, hosts * slots)),
    ),
    ...optional(
      'trains',
      sometimes(0.7, () => stormsOf(random, hosts * slots)),
    ),
    ...optional(
      'baseUpdates',
      sometimes(0.7, () => ({ every: HOUR * random.logUniform(6, 48), share: random.between(0.1, 0.6) })),
    ),
    ...optional(
      'losses',
      sometimes(0.8, () => ({
        every: (HOUR * random.logUniform(6, 300)) / hosts,
        backAfter: MINUTE * random.logUniform(2, 60),
        together: random.next() < 0.3 ? Math.max(1, Math.round(hosts * random.between(0.1, 0.3))) : 1,
      })),
    ),
    ...optional(
      'scale',
      sometimes(0.4, () => ({
        hosts: Math.max(1, Math.round(hosts * random.between(0.1, 0.4))),
        upAt: random.between(0.3, 0.5),
        drainAt: random.between(0.6, 0.9),
      })),
    ),
  };
}

function builds(random: Random): Pick<Scenario, 'warm' | 'coldFactor' | 'noise'> {
  const median = random.logUniform(15, 240);
  const width = Math.exp(Math.sqrt(3) * random.between(0.3, 1.1));
  const least = random.between(1.2, 3);
  return {
    warm: [Math.max(10, median / width), Math.min(1_200, median * width)],
    coldFactor: [least, least + random.between(0.5, 9)],
    noise: random.between(0.1, 0.9),
  };
}

function stormsOf(random: Random, slots: number): { every: number; builds: [number, number]; within: number } {
  const most = Math.ceil(slots * random.between(0.3, 3));
  return {
    every: HOUR * random.logUniform(3, 24),
    builds: [Math.ceil(most / 2), most],
    within: random.between(60, 300),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [name in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [name in K]: V });
}
