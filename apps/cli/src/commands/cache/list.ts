import { bytes, type CacheView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { cacheText, readKinds, reposText, savedText } from './cache-text.ts';

export const listCommand = clientCommand(
  {
    name: 'cache ls',
    synopsis: '[REPO]',
    summary: 'List caches of hosts, the largest first',
    description:
      'List caches of hosts, the largest first. KIND is guessed from the path of a mount. HITS counts builds of the repository on the host that found caches, SAVED is what these saved, by estimate.',
    operands: [0, 1],
    flags: {
      ...OUTPUT_FLAGS,
      host: { kind: 'text', value: 'HOST', help: 'Only caches of this host' },
      kind: { kind: 'text', value: 'KIND', help: 'Only caches of this kind: dependencies, outputs, layers, tree' },
    },
  },
  async ({ flags, client, operands: [repo], io }) => {
    const [kind] = readKinds(flags.kind === undefined ? [] : [flags.kind]);
    const { caches, omitted } = await client.caches({ repo, host: flags.host, kind });
    if (omitted > 0)
      io.err.line(`kiln: ${omitted} more caches are not shown; narrow the list with REPO, --host or --kind`);
    return printList(io, flags, 'caches', {
      name: cacheText,
      rows: caches,
      columns: columns(io),
      none: 'no caches',
    });
  },
);

function columns({ now }: Io): Column<CacheView>[] {
  const at = now();
  return [
    { title: 'HOST', text: ({ host }) => host, min: 8 },
    { title: 'REPO', text: reposText, min: 12 },
    { title: 'CACHE', text: cacheText, min: 12 },
    { title: 'KIND', text: ({ kind }) => kind, dispensable: 2 },
    { title: 'SIZE', text: (cache) => bytes(cache.bytes), align: 'right' },
    { title: 'HITS', text: ({ hits }) => String(hits ?? '-'), align: 'right', dispensable: 4 },
    { title: 'SAVED', text: ({ savedSeconds }) => savedText(savedSeconds), align: 'right', dispensable: 3 },
    {
      title: 'USED',
      text: ({ lastUsedAt, inUse }) =>
        inUse ? 'now' : lastUsedAt === undefined ? '-' : age(Date.parse(lastUsedAt), at),
      align: 'right',
      dispensable: 1,
    },
  ];
}
