import type { TokenView } from '@kiln/contracts';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { printList } from '../../io/print.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

export const listCommand = clientCommand(
  {
    name: 'token ls',
    summary: 'List tokens that are not revoked',
    description: 'List tokens that are not revoked, oldest first. USED is accurate to about a minute.',
    operands: [0, 0],
    flags: {},
  },
  async ({ flags, client, io }) =>
    printList(io, flags.json, 'tokens', {
      rows: await client.tokens(),
      columns: columns(io),
      none: 'no tokens; create one with kiln token create',
    }),
);

function columns({ now }: Io): Column<TokenView>[] {
  const at = now();
  return [
    { title: 'TOKEN', text: ({ id }) => id },
    { title: 'NAME', text: ({ name }) => name, min: 8 },
    { title: 'TEAM', text: ({ kind, team }) => (kind === 'worker' ? '-' : team), min: 4, dispensable: 0 },
    { title: 'MAY', text: mayText, min: 10 },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), at), align: 'right', dispensable: 2 },
    {
      title: 'EXPIRES',
      text: ({ expiresAt }) => expiryText(expiresAt, at),
      style: ({ expiresAt }) => (expiryText(expiresAt, at) === 'expired' ? 'red' : undefined),
      align: 'right',
    },
    {
      title: 'USED',
      text: ({ lastUsedAt }) => (lastUsedAt === undefined ? 'never' : age(Date.parse(lastUsedAt), at)),
      align: 'right',
      dispensable: 1,
    },
  ];
}

function mayText({ kind, scopes, trust }: TokenView): string {
  if (kind === 'worker') return 'work';
  return scopes.join(',') + (trust === 'untrusted' ? ' (untrusted)' : '');
}

function expiryText(expiresAt: string | undefined, at: number): string {
  if (expiresAt === undefined) return 'never';
  const left = Date.parse(expiresAt) - at;
  return left <= 0 ? 'expired' : `in ${age(0, left)}`;
}
