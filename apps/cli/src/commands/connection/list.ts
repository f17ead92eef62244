import type { ConnectionView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

const COLUMNS: Column<ConnectionView>[] = [
  { title: 'CONNECTION', text: ({ name }) => name },
  { title: 'FORGE', text: ({ forge }) => forge },
  { title: 'TEAM', text: ({ team }) => team, min: 4 },
  { title: 'REPOSITORIES', text: ({ repositories }) => repositories.flatMap(({ match }) => match).join(' '), min: 12 },
  {
    title: 'STATUSES',
    text: ({ hasApiToken, githubApp, checks }) => (hasApiToken || githubApp ? (checks ? 'checks' : 'yes') : 'no'),
  },
  { title: 'WEBHOOK URL', text: ({ hookUrl }) => hookUrl, min: 20, dispensable: 1 },
];

export const listCommand = clientCommand(
  { name: 'connection ls', summary: 'List connections', operands: [0, 0], flags: { ...OUTPUT_FLAGS } },
  async ({ flags, client, io }) =>
    printList(io, flags, 'connections', {
      name: ({ name }) => name,
      rows: await client.hooks.connections(),
      columns: COLUMNS,
      none: 'no connections; create one with kiln connection set',
    }),
);
