import type { SecretView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { age } from '../../io/ages.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';
import { WHERE_FLAGS, whereOf } from './where.ts';

const SPEC = {
  usage: 'kiln secret ls [FLAGS]',
  about: 'Lists secrets, registry logins and git tokens; never their values. USED is right to about a minute.',
  operands: [0, 0],
  flags: WHERE_FLAGS,
} as const;

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client }) => {
    const secrets = await client.secrets(whereOf(flags, io));
    if (flags.json) io.out.line(JSON.stringify({ secrets }, null, 2));
    else if (secrets.length > 0) io.out.write(renderTable(columns(io), secrets, io.out));
    else io.err.line('kiln: no secrets; kiln secret set makes one');
    return EXIT.ok;
  });
}

const KINDS: Readonly<Record<SecretView['kind'], string>> = {
  build: 'secret',
  registry: 'registry login',
  git: 'git token',
};

function columns({ now }: Io): Column<SecretView>[] {
  const at = now();
  return [
    { title: 'NAME', text: ({ name }) => name, min: 12 },
    { title: 'KIND', text: ({ kind }) => KINDS[kind] },
    { title: 'TEAM', text: ({ team }) => team, min: 4 },
    { title: 'REPO', text: ({ repo = 'all' }) => repo, min: 8 },
    { title: 'BUILDS', text: ({ untrustedOk }) => (untrustedOk ? 'untrusted too' : 'trusted'), dispensable: 3 },
    { title: 'SET', text: ({ updatedAt }) => age(Date.parse(updatedAt), at), align: 'right' },
    { title: 'BY', text: ({ updatedBy }) => updatedBy, min: 6, dispensable: 2 },
    {
      title: 'USED',
      text: ({ lastUsedAt }) => (lastUsedAt === undefined ? 'never' : age(Date.parse(lastUsedAt), at)),
      align: 'right',
      dispensable: 1,
    },
    {
      title: '',
      text: ({ readable, keyId }) => (readable ? '' : `unreadable: key ${keyId} is missing`),
      style: () => 'red',
    },
  ];
}
