import { Random } from './random.ts';

export type BuildKind = 'quick' | 'chatty' | 'secret' | 'push' | 'artifact' | 'broken' | 'canceled';

/** One build, and what its client does. */
export interface PlannedBuild {
  readonly index: number;
  readonly kind: BuildKind;
  readonly api: string;
  /** Number of lines that its RUN prints, 50 ms apart. */
  readonly lines: number;
  /** For `canceled`: time from submit to cancel, ms. */
  readonly cancelAfterMs: number;
  /** Whether the client follows the log while the build runs. */
  readonly watched: boolean;
  /** Whether the client submits it to both APIs, with the same idempotency key. */
  readonly repeated: boolean;
  /** For `broken`: whether the client retries it. */
  readonly retried: boolean;
}

const BUILD_KINDS: Readonly<Record<BuildKind, number>> = {
  quick: 30,
  chatty: 25,
  secret: 8,
  push: 15,
  artifact: 8,
  broken: 8,
  canceled: 8,
};

export const FAULTS = {
  hosts: {
    'kill worker': 4,
    'lose host': 3,
    'restart engine': 2,
    'freeze worker': 2,
    'freeze host': 1,
    'cut host': 2,
    'cut redis': 2,
  },
  control: {
    'kill scheduler': 4,
    'freeze scheduler': 2,
    'kill api': 4,
    'freeze api': 1,
    'kill redis': 3,
    // It answers writes with OOM, NOREPLICAS, READONLY.
    'starve redis': 2,
    'unreplicated redis': 2,
    'read-only redis': 1,
    // It answers late: commands are held back, or the whole process is frozen.
    'pause redis': 1,
    'freeze redis': 1,
    // All connections break repeatedly.
    'reset redis': 2,
  },
} as const;

export type Lane = keyof typeof FAULTS;
export type FaultKind = { [L in Lane]: keyof (typeof FAULTS)[L] }[Lane];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Name of a host or of a process; empty for Redis. */
  readonly target: string;
  /** Duration, ms. */
  readonly holdMs: number;
  /** Number of builds that must end before the next fault of the lane, so that a slow machine does not get more faults per build. */
  readonly restBuilds: number;
}

export interface FaultPlan {
  readonly builds: readonly PlannedBuild[];
  /** Returns the next fault of a lane, without end. A lane has one fault at a time; lanes run side by side. */
  readonly faults: Readonly<Record<Lane, () => PlannedFault>>;
}

/** Draws everything that is random in a fault run from one seed. */
export function makePlan(seed: number, count: number, hosts: readonly string[]): FaultPlan {
  const random = new Random(seed);
  const [builds, onHosts, onControl] = [random.fork(), random.fork(), random.fork()];
  return {
    builds: Array.from({ length: count }, (_, index) => planBuild(builds, index)),
    faults: {
      hosts: () => planFault(onHosts, onHosts.weighted(FAULTS.hosts), onHosts.pick(hosts)),
      control: () => {
        const kind = onControl.weighted(FAULTS.control);
        return planFault(onControl, kind, kind.endsWith(' redis') ? '' : onControl.pick(['1', '2']));
      },
    },
  };
}

function planBuild(random: Random, index: number): PlannedBuild {
  return {
    index,
    kind: random.weighted(BUILD_KINDS),
    api: random.pick(['1', '2']),
    lines: random.between(5, 40),
    cancelAfterMs: random.between(0, 3_000),
    watched: random.chance(0.3),
    repeated: random.chance(0.1),
    retried: random.chance(0.5),
  };
}

/** Some faults outlast the lease of 5 s, most do not. */
function planFault(random: Random, kind: FaultKind, target: string): PlannedFault {
  const mostMs = /redis$|api$/.test(kind) && kind !== 'cut redis' ? 2_000 : 8_000;
  return { kind, target, holdMs: random.between(0, mostMs), restBuilds: random.between(2, 6) };
}

export function describeFault({ kind, target, holdMs, restBuilds }: PlannedFault): string {
  return `${kind}${target && ` ${target}`} for ${holdMs} ms, then a rest of ${restBuilds} builds`;
}
