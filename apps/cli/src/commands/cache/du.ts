import { bytes, type CacheView } from '@kiln/contracts';
import type { CacheKind } from '@kiln/domain';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { reposText } from './cache-text.ts';

interface Sum {
  readonly repo: string;
  readonly hosts: number;
  readonly kinds: Readonly<Partial<Record<CacheKind, number>>>;
  readonly bytes: number;
}

const ALL = 10_000;

export const duCommand = clientCommand(
  {
    name: 'cache du',
    synopsis: '[REPO]',
    summary: 'Show how much the caches of each repository take',
    description:
      'Show how much the caches of each repository take on all hosts, or on one. A cache that several repositories share is listed once, under all of them.',
    operands: [0, 1],
    flags: { ...OUTPUT_FLAGS, host: { kind: 'text', value: 'HOST', help: 'Only caches of this host' } },
  },
  async ({ flags, client, operands: [repo], io }) => {
    const { caches } = await client.caches({ repo, host: flags.host, limit: ALL });
    return printList(io, flags, 'repos', {
      name: ({ repo }) => repo,
      rows: sums(caches),
      columns: COLUMNS,
      none: 'no caches',
    });
  },
);

const size = (count: number | undefined) => (count === undefined ? '-' : bytes(count));
const COLUMNS: readonly Column<Sum>[] = [
  { title: 'REPO', text: ({ repo }) => repo, min: 12 },
  { title: 'HOSTS', text: ({ hosts }) => String(hosts), align: 'right' },
  { title: 'DEPENDENCIES', text: ({ kinds }) => size(kinds.dependencies), align: 'right', dispensable: 1 },
  { title: 'OUTPUTS', text: ({ kinds }) => size(kinds.outputs), align: 'right', dispensable: 1 },
  { title: 'LAYERS', text: ({ kinds }) => size(kinds.layers), align: 'right', dispensable: 1 },
  { title: 'TREES', text: ({ kinds }) => size(kinds.tree), align: 'right', dispensable: 1 },
  { title: 'TOTAL', text: (sum) => bytes(sum.bytes), align: 'right' },
];

function sums(caches: readonly CacheView[]): Sum[] {
  return [...Map.groupBy(caches, reposText)]
    .map(([repo, own]) => {
      const kinds: Partial<Record<CacheKind, number>> = {};
      for (const { kind, bytes: count } of own) kinds[kind] = (kinds[kind] ?? 0) + count;
      const total = own.reduce((sum, { bytes: count }) => sum + count, 0);
      return { repo, hosts: new Set(own.map(({ host }) => host)).size, kinds, bytes: total };
    })
    .sort((a, b) => b.bytes - a.bytes);
}
