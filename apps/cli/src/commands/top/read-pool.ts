import type { KilnClient } from '@kiln/client';
import type { BuildView, HostInfoView } from '@kiln/contracts';

/** The pool at one moment. */
export interface PoolSnapshot {
  readonly url: string;
  /** When it was read, ms since the epoch. */
  readonly at: number;
  readonly hosts: readonly HostInfoView[];
  /** Builds that have a host, the oldest first. */
  readonly running: readonly BuildView[];
  /** Builds that wait for a host, those that are expected to start first at the beginning. */
  readonly queued: readonly BuildView[];
  /** Whether more builds are queued than these. */
  readonly hasMore: boolean;
}

/** The most builds of each state that are read. */
const LIMIT = 200;

/** Reads the pool: its hosts, and the builds that the caller may see. @throws the errors of the client */
export async function readPool(client: KilnClient, now: () => number, signal: AbortSignal): Promise<PoolSnapshot> {
  const list = (state: BuildView['state']) => client.list({ state, limit: LIMIT, signal });
  const [hosts, queued, assigned, running] = await Promise.all([
    client.hosts({ signal }),
    ...(['queued', 'assigned', 'running'] as const).map(list),
  ] as const);
  // A build may have changed its state between two of the answers.
  const began = new Map([...(assigned?.builds ?? []), ...(running?.builds ?? [])].map((build) => [build.id, build]));
  const waiting = (queued?.builds ?? []).filter(({ id }) => !began.has(id));
  return {
    ...{ url: client.url, at: now(), hosts },
    running: [...began.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    queued: waiting.sort(inExpectedOrder),
    hasMore: queued?.next !== undefined,
  };
}

function inExpectedOrder(a: BuildView, b: BuildView): number {
  const start = ({ waiting }: BuildView) =>
    waiting?.startAt === undefined ? Number.MAX_VALUE : Date.parse(waiting.startAt);
  return start(a) - start(b) || (a.id < b.id ? -1 : 1);
}
