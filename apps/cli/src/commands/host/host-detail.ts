import { bytes, type HostDetailView } from '@kiln/contracts';
import { readDomain } from '@kiln/domain';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { renderTable } from '../../io/table.ts';
import { hostStyle } from './host-style.ts';
import { awayText, ownerText, servesText, stateText } from './host-text.ts';
import { incidentsText } from './incidents-text.ts';
import { networkLines } from './network-text.ts';
import { type Transfer, transferText } from './transfers.ts';

type Inventory = NonNullable<HostDetailView['inventory']>;

/** Describes a host: how busy it is, what its caches contain, and which are being saved or filled. */
export function hostText(host: HostDetailView, transfers: readonly Transfer[], io: Io): string {
  const { out, now } = io;
  const { name, usedSlots, slots, trust, driver, engineVersion, buildxVersion, inventory, disk } = host;
  const head = [
    `${out.style('bold', name)}  ${out.style(hostStyle(host), stateText(host, now()))}`,
    `slots   ${usedSlots} of ${slots} in use`,
    `takes   ${trust.join(' and ')} builds${trust.length > 1 ? ', with separate builders' : ''}`,
    `serves  ${servesText(host)}`,
    `engine  ${engineVersion}, buildx ${buildxVersion}, driver ${driver}`,
  ];
  if (disk) head.push(`disk    ${bytes(disk.freeBytes)} of ${bytes(disk.totalBytes)} free${lowDiskText(host)}`);
  if (host.domainsAway) head.push(`away    ${awayText(host)}`);
  const { treeBytes, treeBudgetBytes = 0, mirrorBytes, mirrorBudgetBytes = 0 } = disk ?? {};
  if (treeBytes !== undefined) head.push(`trees   ${bytes(treeBytes)} of ${bytes(treeBudgetBytes)}`);
  if (mirrorBytes !== undefined) head.push(`git     ${bytes(mirrorBytes)} of ${bytes(mirrorBudgetBytes)}`);
  head.push(...networkLines(host.network, now()));
  head.push(...transfers.map((one) => `moving  ${transferText(one)}`));
  if (!inventory)
    return `${[...head, `cache   not measured yet${budgetText(host, ' (')}`].join('\n')}\n${incidentsText(host, io)}`;
  const { usedBytes, readAt, layers, sizesAreFloors } = inventory;
  const facts = [
    ...head,
    `cache   ${bytes(usedBytes)} used${budgetText(host, ' of ')}${untrustedText(host)}, measured ${age(Date.parse(readAt), now())} ago`,
    `layers  ${layers.count}, ${bytes(layers.bytes)}`,
    ...(sizesAreFloors
      ? ['', 'The engine’s classic image store measures a cache mount only once, so mounts may be larger than shown.']
      : []),
  ];
  return `${facts.join('\n')}\n\n${reposText(inventory, io)}\n${mountsText(inventory, io)}${incidentsText(host, io)}`;
}

/** Says what a host does that is low on disk. */
function lowDiskText({ conditions = [] }: HostDetailView): string {
  return conditions.includes('low_disk')
    ? ': too little; it evicts caches, and takes no builds until there is enough'
    : '';
}

/** Describes the cache budget after `before`. Empty if the budget isn't known. */
function budgetText({ cacheBudgetBytes, cacheBudgetFrom }: HostDetailView, before: ' of ' | ' ('): string {
  if (cacheBudgetBytes === undefined) return '';
  const from = { configured: '', engine: ' by the engine’s policy', estimated: ' estimated' };
  const text = `${bytes(cacheBudgetBytes)}${cacheBudgetFrom ? from[cacheBudgetFrom] : ''}`;
  return before === ' (' ? ` (budget ${text})` : `${before}${text}`;
}

/** Describes the part of untrusted builds, ` (untrusted 0.20GB of 1.00GB)`, if the host takes both classes. */
function untrustedText({ trust, cacheBudgets = {}, inventory }: HostDetailView): string {
  const untrusted = Object.entries(inventory?.usedByDomain ?? {}).filter(
    ([key]) => readDomain(key)?.trust === 'untrusted',
  );
  if (untrusted.length === 0 || trust.length < 2) return '';
  const sum = (all: readonly (readonly [string, number])[]) => all.reduce((total, [, count]) => total + count, 0);
  const budget = sum(Object.entries(cacheBudgets).filter(([key]) => readDomain(key)?.trust === 'untrusted'));
  return ` (untrusted ${bytes(sum(untrusted))}${budget === 0 ? '' : ` of ${bytes(budget)}`})`;
}

function reposText({ repos }: Inventory, { out, now }: Io): string {
  if (repos.length === 0) return 'no repo is warm yet\n';
  const at = now();
  return renderTable(
    [
      { title: 'REPO', text: ownerText, min: 12 },
      { title: 'WARM', text: ({ warmth }) => `${Math.round(warmth * 100)}%`, align: 'right' },
      { title: 'CACHE', text: (row) => bytes(row.bytes), align: 'right' },
      { title: 'USED', text: ({ lastUsedAt }) => age(Date.parse(lastUsedAt), at), align: 'right', dispensable: 1 },
    ],
    repos,
    out,
  );
}

function mountsText({ mounts, mountsLeftOut }: Inventory, { out, now }: Io): string {
  if (mounts.length === 0) return 'no cache mounts\n';
  const at = now();
  const table = renderTable(
    [
      { title: 'CACHE MOUNT', text: ({ id }) => id, min: 20 },
      { title: 'REPO', text: mountRepos, min: 8, dispensable: 2 },
      { title: 'SIZE', text: (row) => bytes(row.bytes), align: 'right' },
      {
        title: 'USED',
        text: ({ lastUsedAt, inUse }) => (inUse ? 'now' : age(Date.parse(lastUsedAt), at)),
        align: 'right',
        dispensable: 1,
      },
    ],
    mounts,
    out,
  );
  return mountsLeftOut > 0 ? `${table}and ${mountsLeftOut} more\n` : table;
}

function mountRepos({ repos, trust }: Inventory['mounts'][number]): string {
  return repos.map((repo) => ownerText({ repo, trust })).join(',') || (trust === 'trusted' ? '-' : `(${trust})`);
}
