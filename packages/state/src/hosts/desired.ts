import type { HostReport } from '@kiln/contracts';

/** An operator's drain. Times in ms since the epoch, by Redis' clock. */
export interface Drain {
  readonly since: number;
  /** What still runs then is handed back to the pool; absent: the drain waits. */
  readonly deadline?: number;
}

/** What operators want of a host. It is kept apart from the host's record, and outlives its worker. */
export interface HostOrders {
  /** Also while it is drained or removed. */
  readonly cordoned: boolean;
  readonly drain?: Drain;
  /** To be taken out of the pool as soon as it holds nothing. */
  readonly removing: boolean;
  /** Instead of what the worker reports. */
  readonly slots?: number;
  /** Over those that the worker reports; null takes one away. */
  readonly labels: Readonly<Record<string, string | null>>;
}

const LABEL_FIELD = 'label:';

/** Out of the hash as the scripts keep it. */
export function parseOrders(hash: Readonly<Record<string, string>>): HostOrders {
  const { drainSince, drainDeadline, slots } = hash;
  const labels = Object.entries(hash)
    .filter(([field]) => field.startsWith(LABEL_FIELD))
    .map(([field, value]) => [field.slice(LABEL_FIELD.length), value === '-' ? null : value.slice(1)] as const);
  return {
    cordoned: hash.cordoned === '1',
    ...(drainSince !== undefined && {
      drain: {
        since: Number(drainSince),
        ...(drainDeadline !== undefined && { deadline: Number(drainDeadline) }),
      },
    }),
    removing: hash.removing === '1',
    ...(slots !== undefined && { slots: Number(slots) }),
    labels: Object.fromEntries(labels),
  };
}

type Reported = Pick<HostReport, 'slots' | 'labels'>;

/** Slots and labels that count: the operators' over the worker's own. */
export function effective(reported: Reported, { slots, labels }: HostOrders): Reported {
  const all = Object.entries({ ...reported.labels, ...labels });
  return {
    slots: slots ?? reported.slots,
    labels: Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== null)),
  };
}
