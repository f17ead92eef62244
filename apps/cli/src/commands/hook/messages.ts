import type { MessageView } from '@kiln/contracts';
import { oneOf } from '../../framework/flag-values.ts';
import { OUTPUT_FLAGS, printList } from '../../framework/print.ts';
import { age } from '../../io/ages.ts';
import type { Io, Style } from '../../io/output.ts';
import type { Column } from '../../io/table.ts';
import { clientCommand } from '../../server/client-command.ts';

const STATES = ['pending', 'delivered', 'dead'] as const;

export const messagesCommand = clientCommand(
  {
    name: 'hook messages',
    synopsis: 'ID',
    summary: 'List the messages of an outgoing webhook',
    description:
      'List the messages of an outgoing webhook, newest first. A message is dead when all tries have failed; kiln hook resend sends it again.',
    operands: [1, 1],
    flags: {
      ...OUTPUT_FLAGS,
      state: { kind: 'text', value: 'STATE', help: `Show only messages in this state: ${STATES.join(', ')}` },
    },
  },
  async ({ flags, client, operands, io }) => {
    const state = flags.state === undefined ? undefined : oneOf('--state', flags.state, STATES);
    const rows = await client.hooks.messages(operands[0] ?? '', { state });
    return printList(io, flags, 'messages', {
      name: ({ id }) => id,
      rows,
      columns: columns(io),
      none: 'no messages',
    });
  },
);

const STYLES: Readonly<Record<MessageView['state'], Style | undefined>> = {
  pending: 'cyan',
  delivered: undefined,
  dead: 'red',
};

function columns({ now }: Io): Column<MessageView>[] {
  const at = now();
  return [
    { title: 'MESSAGE', text: ({ id }) => id },
    { title: 'EVENT', text: ({ event }) => event },
    { title: 'BUILD', text: ({ build }) => build, dispensable: 1 },
    { title: 'STATE', text: ({ state }) => state, style: ({ state }) => STYLES[state] },
    { title: 'TRIES', text: ({ tries }) => String(tries), align: 'right' },
    { title: 'AGE', text: ({ createdAt }) => age(Date.parse(createdAt), at), align: 'right' },
    { title: 'WHY', text: ({ why }) => why ?? '-', min: 10 },
  ];
}
