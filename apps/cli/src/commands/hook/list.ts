import type { WebhookView } from '@kiln/contracts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

export const listCommand = clientCommand(
  { name: 'hook ls', summary: 'List outgoing webhooks', operands: [0, 0], flags: { ...OUTPUT_FLAGS } },
  async ({ flags, client, io }) =>
    printList(io, flags, 'webhooks', {
      name: ({ id }) => id,
      rows: await client.hooks.webhooks(),
      columns: columns(io),
      none: 'no webhooks; create one with kiln hook create',
    }),
);

function columns({ now }: Io): Column<WebhookView>[] {
  const at = now();
  return [
    { title: 'WEBHOOK', text: ({ id }) => id },
    { title: 'TEAM', text: ({ team }) => team, min: 4 },
    {
      title: 'STATE',
      text: ({ disabledAt }) => (disabledAt === undefined ? 'on' : 'gone'),
      style: ({ disabledAt }) => (disabledAt === undefined ? undefined : 'red'),
    },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), at), align: 'right', dispensable: 1 },
    { title: 'EVENTS', text: ({ events }) => events.map((event) => event.replace('build.', '')).join(','), min: 10 },
    { title: 'URL', text: ({ url }) => url, min: 20 },
  ];
}
