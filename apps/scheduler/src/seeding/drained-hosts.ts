import type { HostState, HostStore } from '@kiln/state';
import type { PoolView } from '../pool-view.ts';
import type { Seeding } from './seeding.ts';

/**
 * Tells drained hosts, on behalf of the leader, whether their caches have moved: their workers stay until then. A host counts as moved until
 * its caches change, also if a host joins later that could take some of them.
 * @param seeding undefined: no caches move in this pool
 * @throws NotLeader
 */
export async function markMoves(
  view: PoolView,
  seeding: Pick<Seeding, 'owing'> | undefined,
  hosts: Pick<HostStore, 'markMoves'>,
  fencingToken: string,
): Promise<void> {
  const drained = [...view.hosts.values()].filter(({ alive, orders }) => alive && isOpen(orders.drain));
  if (drained.length === 0) return;
  const owing = drained.some(({ held }) => held.length === 0) ? (seeding?.owing() ?? new Set<string>()) : new Set();
  for (const { report, orders, held } of drained) {
    const { name } = report;
    const caches = held.length === 0 && !owing.has(name) ? 'moved' : 'moving';
    if (!orders.drain || orders.drain.caches === caches) continue;
    await hosts.markMoves(name, orders.drain, caches, view.judgedInventory(name), fencingToken);
  }
}

function isOpen(drain: HostState['orders']['drain']): boolean {
  return drain !== undefined && drain.caches !== 'moved';
}
