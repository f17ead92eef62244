import type { HostDetailView } from '@kiln/contracts';

type Warm = NonNullable<HostDetailView['inventory']>['repos'][number];

/** A repo with how warm each host is for it. */
export interface MapRow {
  readonly key: string;
  readonly repo: string;
  /** Its team and trust class, if not the usual ones. */
  readonly owner: string | undefined;
  readonly byHost: ReadonlyMap<string, Pick<Warm, 'warmth' | 'bytes'>>;
}

/** The repos with caches on the hosts, those with the most warmth in sum first. */
export function warmthRows(hosts: readonly HostDetailView[]): MapRow[] {
  const rows = new Map<string, MapRow & { byHost: Map<string, Warm> }>();
  for (const { name, inventory } of hosts) {
    for (const own of inventory?.repos ?? []) {
      const key = JSON.stringify([own.team, own.trust, own.repo]);
      const row = rows.get(key) ?? { key, repo: own.repo, owner: ownerWords(own), byHost: new Map() };
      row.byHost.set(name, own);
      rows.set(key, row);
    }
  }
  const sum = ({ byHost }: MapRow) => [...byHost.values()].reduce((total, { warmth }) => total + warmth, 0);
  return [...rows.values()].sort((a, b) => sum(b) - sum(a) || a.repo.localeCompare(b.repo));
}

function ownerWords({ team, trust }: Warm): string | undefined {
  const words = [...(team === undefined || team === 'default' ? [] : [team]), ...(trust === 'trusted' ? [] : [trust])];
  return words.length > 0 ? words.join(', ') : undefined;
}
