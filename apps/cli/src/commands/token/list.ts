import type { TokenView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList, printOne } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { type Column, fieldLines } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

export const listCommand = clientCommand(
  {
    name: 'token ls',
    summary: 'List tokens that are not revoked',
    description: 'List tokens that are not revoked, oldest first. USED is accurate to about a minute.',
    operands: [0, 0],
    flags: { ...OUTPUT_FLAGS },
  },
  async ({ flags, client, io }) =>
    printList(io, flags, 'tokens', {
      name: ({ id }) => id,
      rows: await client.tokens(),
      columns: columns(io),
      none: 'no tokens; create one with kiln token create',
    }),
);

export const showCommand = clientCommand(
  {
    name: 'token show',
    synopsis: 'ID',
    summary: 'Show a token, without its secret',
    operands: [1, 1],
    flags: OUTPUT_FLAGS,
  },
  async ({ flags, client, operands: [id = ''], io }) => {
    const token = (await client.tokens()).find((one) => one.id === id.toLowerCase());
    if (!token) throw new UsageError(`no token ${id}; kiln token ls lists all`);
    const { name, kind, team, createdBy, createdAt, expiresAt = 'never', lastUsedAt = 'never' } = token;
    return printOne(io, flags, {
      value: token,
      name: token.id,
      text: () =>
        fieldLines([
          ['id', token.id],
          ['name', name],
          ['team', kind === 'worker' ? '-' : team],
          ['may', mayText(token)],
          ['created', `${createdAt} by ${createdBy}`],
          ['expires', expiresAt],
          ['used', lastUsedAt],
        ]),
    });
  },
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
