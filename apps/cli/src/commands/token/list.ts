import type { TokenView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { age } from '../../io/ages.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';

const SPEC = {
  usage: 'kiln token ls [FLAGS]',
  about: 'Lists the tokens that are not revoked, the oldest first. USED is right to about a minute.',
  operands: [0, 0],
  flags: {},
} as const;

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const tokens = await client.tokens();
    if (flags.json) io.out.line(JSON.stringify({ tokens }, null, 2));
    else if (tokens.length > 0) io.out.write(renderTable(columns(io), tokens, io.out));
    else io.err.line('kiln: no tokens; kiln token create makes one');
    return EXIT.ok;
  });
}

function columns({ now }: Io): Column<TokenView>[] {
  const at = now();
  return [
    { title: 'TOKEN', text: ({ id }) => id },
    { title: 'NAME', text: ({ name }) => name, min: 8 },
    { title: 'TEAM', text: ({ kind, team }) => (kind === 'worker' ? '-' : team), min: 4 },
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
