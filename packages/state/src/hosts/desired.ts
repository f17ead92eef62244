import type { HostReport } from '@kiln/contracts';

/** How far the caches of a drained host have moved to other hosts: `moved` once the leader orders no further copy of them. */
export type CacheMoves = 'moving' | 'moved';

/** An operator's drain. Times in ms since the epoch, by Redis' clock. */
export interface Drain {
  readonly since: number;
  /** When builds that still run are handed back to the pool; absent: the drain waits for them. */
  readonly deadline?: number;
  /** How far the host's caches have moved. Absent until the leader has decided; one of an older version never does. */
  readonly caches?: CacheMoves;
}

/** An operator's orders about a host. Stored apart from the host's record, they outlive its worker. */
export interface HostOrders {
  /** Also set while it is drained or removed. */
  readonly cordoned: boolean;
  readonly drain?: Drain;
  /** Whether it is removed from the pool as soon as it holds no attempts. */
  readonly removing: boolean;
  /** Overrides the slots that the worker reports. */
  readonly slots?: number;
  /** Overrides labels that the worker reports; null removes one. */
  readonly labels: Readonly<Record<string, string | null>>;
}

const LABEL_FIELD = 'label:';

/** The leader's mark about a drained host, as `mark-moves.lua` writes it, and the digest of the host's inventory. */
export interface MovesMark {
  readonly moves: string | undefined;
  readonly inventoryDigest: string | undefined;
}

/** Parses the hash that the scripts write, and the leader's mark. */
export function parseOrders(hash: Readonly<Record<string, string>>, mark: MovesMark): HostOrders {
  const { drainSince, drainDeadline, slots } = hash;
  const labels = Object.entries(hash)
    .filter(([field]) => field.startsWith(LABEL_FIELD))
    .map(([field, value]) => [field.slice(LABEL_FIELD.length), value === '-' ? null : value.slice(1)] as const);
  const caches = drainSince === undefined ? undefined : movesOf(drainSince, mark);
  return {
    cordoned: hash.cordoned === '1',
    ...(drainSince !== undefined && {
      drain: {
        since: Number(drainSince),
        ...(drainDeadline !== undefined && { deadline: Number(drainDeadline) }),
        ...(caches && { caches }),
      },
    }),
    removing: hash.removing === '1',
    ...(slots !== undefined && { slots: Number(slots) }),
    labels: Object.fromEntries(labels),
  };
}

/** Reads the mark. That of an earlier drain doesn't count, and caches that have changed since the leader looked may yet have to move. */
function movesOf(drainSince: string, { moves, inventoryDigest = '' }: MovesMark): CacheMoves | undefined {
  const [since, state, digest = ''] = moves?.split(' ') ?? [];
  if (since !== drainSince) return undefined;
  return state === 'moved' && digest === inventoryDigest ? 'moved' : 'moving';
}

type Reported = Pick<HostReport, 'slots' | 'labels'>;

/** The effective slots and labels: the worker's own, overridden by the operator's. */
export function effective(reported: Reported, { slots, labels }: HostOrders): Reported {
  const all = Object.entries({ ...reported.labels, ...labels });
  return {
    slots: slots ?? reported.slots,
    labels: Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null)),
  };
}
