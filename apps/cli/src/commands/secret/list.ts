import type { SecretView } from '@kiln/contracts';
import type { Command } from '../../framework/command.ts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OWNER_FLAGS, ownerOf } from './owner.ts';

export const listCommand = clientCommand(
  {
    name: 'secret ls',
    summary: 'List secrets, registry logins and git tokens',
    description:
      'List secrets, registry logins and git tokens, without their values. USED is accurate to about a minute.',
    operands: [0, 0],
    flags: { ...OWNER_FLAGS, ...OUTPUT_FLAGS },
  },
  async ({ flags, client, io }) =>
    printList(io, flags, 'secrets', {
      name: ({ name }) => name,
      rows: await client.secrets(ownerOf(flags, io)),
      columns: columns(io),
      none: 'no secrets; store one with kiln secret set',
    }),
);

/** Defines a command that lists the secrets of one kind. */
export function kindList(kind: SecretView['kind'], noun: string): Command {
  return clientCommand(
    {
      name: `${noun} ls`,
      summary: `List ${KINDS[kind]}s`,
      description: `List ${KINDS[kind]}s, without their values. USED is accurate to about a minute.`,
      operands: [0, 0],
      flags: { ...OWNER_FLAGS, ...OUTPUT_FLAGS },
    },
    async ({ flags, client, io }) =>
      printList(io, flags, 'secrets', {
        name: ({ name }) => name,
        rows: (await client.secrets(ownerOf(flags, io))).filter((one) => one.kind === kind),
        columns: columns(io),
        none: `no ${KINDS[kind]}s; store one with kiln ${noun} set`,
      }),
  );
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
