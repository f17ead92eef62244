import { Random } from './random.ts';

export type BuildKind = 'quick' | 'chatty' | 'secret' | 'push' | 'artifact' | 'broken' | 'canceled';

/** One build and what its client does. */
export interface PlannedBuild {
  readonly index: number;
  readonly kind: BuildKind;
  readonly api: string;
  /** Lines that its RUN prints, 50 ms apart. */
  readonly lines: number;
  /** Of `canceled`: how long after the submit, ms. */
  readonly cancelAfterMs: number;
  /** The client follows the log while it runs. */
  readonly watched: boolean;
  /** The client submits it twice, to both APIs, with the same idempotency key. */
  readonly repeated: boolean;
  /** Of `broken`: the client has it run again. */
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
    // It answers OOM, NOREPLICAS, READONLY to whatever writes.
    'starve redis': 2,
    'unreplicated redis': 2,
    'read-only redis': 1,
    // It answers late: all of it at once, or nothing of it until then.
    'pause redis': 1,
    'freeze redis': 1,
    // All connections break, again and again.
    'reset redis': 2,
  },
} as const;

export type Lane = keyof typeof FAULTS;
export type FaultKind = { [L in Lane]: keyof (typeof FAULTS)[L] }[Lane];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** A host, or the name of a process; empty for Redis. */
  readonly target: string;
  /** How long it lasts, ms. */
  readonly holdMs: number;
  /** How many builds are to end after it before something else happens in its lane: a slow machine isn't shot at more often. */
  readonly restBuilds: number;
}

export interface FaultPlan {
  readonly builds: readonly PlannedBuild[];
  /** What happens one after the other; the lanes side by side. As many as it takes until all builds have ended. */
  readonly faults: Readonly<Record<Lane, () => PlannedFault>>;
}

/** Everything that chance decides, out of one seed. */
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

/** The lease is 5 s: some last longer, most don't. */
function planFault(random: Random, kind: FaultKind, target: string): PlannedFault {
  const mostMs = /redis$|api$/.test(kind) && kind !== 'cut redis' ? 2_000 : 8_000;
  return { kind, target, holdMs: random.between(0, mostMs), restBuilds: random.between(2, 6) };
}

export function describeFault({ kind, target, holdMs, restBuilds }: PlannedFault): string {
  return `${kind}${target && ` ${target}`} for ${holdMs} ms, then a rest of ${restBuilds} builds`;
}
