import type { ModeDefaultView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

export const modesCommand = clientCommand(
  {
    name: 'cache-mode ls',
    synopsis: '[REPO]',
    summary: 'List the default cache modes of repositories',
    description:
      'List the default cache modes of your team’s repositories that kiln cache-mode set has set. Other repositories have the default warm.',
    operands: [0, 1],
    flags: { ...OUTPUT_FLAGS, team: { kind: 'text', value: 'NAME', help: 'Those of this team (default: your own)' } },
  },
  async ({ flags, client, operands: [repo], io }) =>
    printList(io, flags, 'modes', {
      name: ({ repo }) => repo,
      rows: await client.cacheModes({ repo, team: flags.team }),
      columns: columns(io.now()),
      none: 'no default cache modes; set one with kiln cache-mode set',
    }),
);

function columns(now: number): Column<ModeDefaultView>[] {
  return [
    { title: 'REPO', text: ({ repo }) => repo, min: 8 },
    { title: 'MODE', text: ({ mode }) => mode ?? '-' },
    { title: 'TEAM', text: ({ team }) => team, dispensable: 2 },
    { title: 'SET BY', text: ({ setBy }) => setBy ?? '-', dispensable: 1 },
    { title: 'SET', text: ({ setAt }) => (setAt === undefined ? '-' : age(Date.parse(setAt), now)), dispensable: 1 },
  ];
}
