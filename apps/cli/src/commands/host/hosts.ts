import { bytes, type HostInfoView } from '@kiln/contracts';
import { diskText, labelsText, platformsText, servesText, settingsText, stateText } from './host-text.ts';
import { age } from '../../io/ages.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io, Style } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { runCommand } from '../../framework/command.ts';
import { hostText } from './host-detail.ts';
import { shortId } from '../build/build-id.ts';
import { hostStyle } from '../state-style.ts';

const SPEC = {
  usage: 'kiln hosts [FLAGS] [NAME]',
  about:
    'Lists the hosts of the pool, how busy they are, and what they build for. SET is what `kiln host set` has put before what the worker reports. With a name, says what that host’s caches hold.',
  operands: [0, 1],
  flags: {},
} as const;

export function hostsCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands: [name] }) => {
    if (name !== undefined) {
      const host = await client.host(name);
      if (flags.json) io.out.line(JSON.stringify(host, null, 2));
      else io.out.write(hostText(host, io));
      return EXIT.ok;
    }
    const hosts = await client.hosts();
    if (flags.json) io.out.line(JSON.stringify({ hosts }, null, 2));
    else if (hosts.length > 0) io.out.write(renderTable(columns(io, hosts), hosts, io.out));
    else io.err.line('kiln: no host has joined the pool');
    return EXIT.ok;
  });
}

/** Share of the disk below which it is worth a look. */
const LOW_DISK = 0.1;

function columns({ now }: Io, hosts: readonly HostInfoView[]): Column<HostInfoView>[] {
  const at = now();
  const all: (Column<HostInfoView> & { readonly shown?: boolean })[] = [
    { title: 'HOST', text: ({ name }) => name, min: 8 },
    { title: 'STATE', text: (host) => stateText(host, at), style: ({ state }) => hostStyle(state) },
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
    { title: 'TRUST', text: ({ trust }) => trust.join(','), dispensable: 4, shown: hosts.some(isUnlikeMost) },
    { title: 'SERVES', text: servesText, dispensable: 4, shown: hosts.some(isApart) },
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

/** Most take trusted builds, and nothing needs to be said of it. */
function isUnlikeMost({ trust }: HostInfoView): boolean {
  return trust.join() !== 'trusted';
}

/** Of hosts that all keep nobody apart nothing needs to be said; where one doesn't, the others are worth a look. */
function isApart({ isolation }: HostInfoView): boolean {
  return isolation !== 'pool';
}

function hasLabels({ labels }: HostInfoView): boolean {
  return Object.keys(labels).length > 0;
}

function diskStyle({ disk }: HostInfoView): Style | undefined {
  return disk && disk.freeBytes < disk.totalBytes * LOW_DISK ? 'yellow' : undefined;
}

/** How much there is, of how much there may be. */
function cacheText({ caches, cacheBudgetBytes }: HostInfoView): string {
  const used = caches ? bytes(caches.usedBytes) : '-';
  return cacheBudgetBytes === undefined ? used : `${used}/${bytes(cacheBudgetBytes)}`;
}
