import { bytes, type HostInfoView, type HostLossView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList, printOne } from '../../framework/print.ts';
import { age, duration } from '../../io/ages.ts';
import type { Io, Style } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { shortId } from '../build/build-id.ts';
import { hostText } from './host-detail.ts';
import { hostStyle } from './host-style.ts';
import {
  awayText,
  diskText,
  labelsText,
  ownerText,
  platformsText,
  servesText,
  settingsText,
  stateText,
} from './host-text.ts';
import { transferJson, transfersOf } from './transfers.ts';

export const listCommand = clientCommand(
  {
    name: 'host ls',
    summary: 'List the hosts of the pool',
    description: 'List the hosts of the pool. SET shows what kiln host set overrides.',
    examples: ['kiln host ls', 'kiln host ls -o name', 'kiln host ls --cheapest-to-lose'],
    operands: [0, 0],
    flags: {
      ...OUTPUT_FLAGS,
      'cheapest-to-lose': {
        kind: 'bool',
        help: 'List the hosts that take builds by what losing their caches would cost, the cheapest first',
      },
    },
  },
  async ({ flags, client, io }) => {
    if (flags['cheapest-to-lose']) {
      return printList(io, flags, 'hosts', {
        name: ({ name }) => name,
        rows: await client.hostLosses(),
        columns: LOSS_COLUMNS,
        none: 'no host takes builds',
      });
    }
    const rows = await client.hosts();
    return printList(io, flags, 'hosts', {
      name: ({ name }) => name,
      rows,
      columns: columns(io, rows),
      none: 'no host has joined the pool',
    });
  },
);

export const showCommand = clientCommand(
  {
    name: 'host show',
    synopsis: 'NAME',
    summary: 'Show a host and the contents of its caches',
    description: 'Show a host, the contents of its caches, and which of them are being saved or filled.',
    examples: ['kiln host show build-01', 'kiln host show -o yaml build-01'],
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands: [name = ''], io }) => {
    const host = await client.host(name);
    const transfers = await transfersOf(client, name);
    return printOne(io, flags, {
      value: { ...host, moving: transfers.map(transferJson) },
      name,
      text: () => hostText(host, transfers, io),
    });
  },
);

const LOSS_COLUMNS: Column<HostLossView>[] = [
  { title: 'HOST', text: ({ name }) => name, min: 8 },
  { title: 'COSTS PER HOUR', text: ({ secondsPerHour }) => perHour(secondsPerHour), align: 'right' },
  { title: 'BUILDS', text: ({ builds }) => String(builds), align: 'right' },
  {
    title: 'DEAREST CACHES',
    text: ({ caches }) =>
      caches
        .slice(0, SHOWN_CACHES)
        .map((cache) => `${ownerText(cache)} ${perHour(cache.secondsPerHour)}${cache.onlyCopy ? ' (only copy)' : ''}`)
        .join(', ') || '-',
    min: 12,
  },
];
const SHOWN_CACHES = 3;

function perHour(seconds: number): string {
  return seconds < 0.1 ? '0s' : duration(seconds * 1_000);
}

/** Free share of the disk below which it is highlighted. */
const LOW_DISK = 0.1;

function columns({ now }: Io, hosts: readonly HostInfoView[]): Column<HostInfoView>[] {
  const at = now();
  const all: (Column<HostInfoView> & { readonly shown?: boolean })[] = [
    { title: 'HOST', text: ({ name }) => name, min: 8 },
    { title: 'STATE', text: (host) => stateText(host, at), style: hostStyle },
    { title: 'SLOTS', text: ({ slots, usedSlots }) => `${usedSlots}/${slots}`, align: 'right' },
    {
      title: 'BUILDS',
      text: ({ builds }) => builds.map(({ id }) => shortId(id)).join(',') || '-',
      min: 8,
      dispensable: 1,
    },
    { title: 'LABELS', text: (host) => labelsText(host) || '-', min: 8, dispensable: 3, shown: hosts.some(hasLabels) },
    {
      title: 'SET',
      text: (host) => settingsText(host) || '-',
      min: 8,
      dispensable: 4,
      shown: hosts.some(settingsText),
    },
    {
      title: 'FREE DISK',
      text: diskText,
      style: diskStyle,
      align: 'right',
      dispensable: 5,
      shown: hosts.some(({ disk }) => disk),
    },
    { title: 'PLATFORMS', text: platformsText, min: 11, dispensable: 6 },
    { title: 'TRUST', text: ({ trust }) => trust.join(','), dispensable: 4, shown: hosts.some(takesUntrusted) },
    { title: 'SERVES', text: servesText, dispensable: 4, shown: hosts.some(isIsolated) },
    { title: 'AWAY', text: (host) => awayText(host) || '-', min: 8, dispensable: 2, shown: hosts.some(awayText) },
    {
      title: 'INCIDENTS',
      text: ({ incidents = [] }) => String(incidents.length),
      align: 'right',
      dispensable: 3,
      shown: hosts.some(({ incidents }) => incidents),
    },
    { title: 'DRIVER', text: ({ driver }) => driver, dispensable: 7 },
    { title: 'ENGINE', text: ({ engineVersion }) => engineVersion, dispensable: 8 },
    {
      title: 'BUILDKIT',
      text: ({ buildkitVersion }) => buildkitVersion ?? '-',
      dispensable: 10,
      shown: hosts.some(({ buildkitVersion }) => buildkitVersion),
    },
    { title: 'BUILDX', text: ({ buildxVersion }) => buildxVersion, dispensable: 9 },
    { title: 'CACHE', text: cacheText, align: 'right', dispensable: 3, shown: hosts.some(({ caches }) => caches) },
    {
      title: 'WARM',
      text: ({ caches }) => String(caches?.warmRepos ?? '-'),
      align: 'right',
      dispensable: 3,
      shown: hosts.some(({ caches }) => caches),
    },
    { title: 'SEEN', text: ({ lastSeenAt }) => age(Date.parse(lastSeenAt), at), align: 'right', dispensable: 2 },
  ];
  return all.filter(({ shown = true }) => shown);
}

/** Most hosts take only trusted builds; the column is shown if one doesn't. */
function takesUntrusted({ trust }: HostInfoView): boolean {
  return trust.join() !== 'trusted';
}

/** The column is shown if a host isolates teams or repos. */
function isIsolated({ isolation }: HostInfoView): boolean {
  return isolation !== 'pool';
}

function hasLabels({ labels }: HostInfoView): boolean {
  return Object.keys(labels).length > 0;
}

function diskStyle({ disk }: HostInfoView): Style | undefined {
  return disk && disk.freeBytes < disk.totalBytes * LOW_DISK ? 'yellow' : undefined;
}

/** Formats the used size and the budget. */
function cacheText({ caches, cacheBudgetBytes }: HostInfoView): string {
  const used = caches ? bytes(caches.usedBytes) : '-';
  return cacheBudgetBytes === undefined ? used : `${used}/${bytes(cacheBudgetBytes)}`;
}
