import { bytes, type HostInfoView } from '@kiln/contracts';
import { age } from '../io/ages.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import { type Column, renderTable } from '../io/table.ts';
import { runCommand } from './command-line.ts';
import { hostText } from './host-detail.ts';
import { shortId } from './resolve-id.ts';
import { hostStyle } from './state-style.ts';

const SPEC = {
  usage: 'kiln hosts [FLAGS] [NAME]',
  about:
    'Lists the hosts of the pool, how busy they are, and what they build for. With a name, says what that host’s caches hold.',
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
    else if (hosts.length > 0) io.out.write(renderTable(columns(io), hosts, io.out));
    else io.err.line('kiln: no host has joined the pool');
    return EXIT.ok;
  });
}

function columns({ now }: Io): Column<HostInfoView>[] {
  const at = now();
  return [
    { title: 'HOST', text: ({ name }) => name, min: 8 },
    { title: 'STATE', text: ({ state }) => state, style: ({ state }) => hostStyle(state) },
    { title: 'SLOTS', text: ({ slots, usedSlots }) => `${usedSlots}/${slots}`, align: 'right' },
    {
      title: 'BUILDS',
      text: ({ builds }) => builds.map(({ id }) => shortId(id)).join(',') || '-',
      min: 8,
      dispensable: 1,
    },
    { title: 'PLATFORMS', text: ({ platforms }) => platforms.join(','), min: 11, dispensable: 3 },
    { title: 'DRIVER', text: ({ driver }) => driver, dispensable: 4 },
    { title: 'ENGINE', text: ({ engineVersion }) => engineVersion, dispensable: 5 },
    { title: 'BUILDX', text: ({ buildxVersion }) => buildxVersion, dispensable: 6 },
    { title: 'CACHE', text: cacheText, align: 'right', dispensable: 3 },
    { title: 'WARM', text: ({ caches }) => String(caches?.warmRepos ?? '-'), align: 'right', dispensable: 3 },
    { title: 'SEEN', text: ({ lastSeenAt }) => age(Date.parse(lastSeenAt), at), align: 'right', dispensable: 2 },
  ];
}

/** How much there is, of how much there may be. */
function cacheText({ caches, cacheBudgetBytes }: HostInfoView): string {
  const used = caches ? bytes(caches.usedBytes) : '-';
  return cacheBudgetBytes === undefined ? used : `${used}/${bytes(cacheBudgetBytes)}`;
}
