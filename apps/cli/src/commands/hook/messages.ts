import type { MessageView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { age } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io, Style } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';

const STATES = ['pending', 'delivered', 'dead'] as const;

const SPEC = {
  usage: 'kiln hook messages [FLAGS] ID',
  about:
    'Lists what a webhook was told, the newest first. `dead`: every try has failed; kiln hook resend sends it again.',
  operands: [1, 1],
  flags: { state: { kind: 'text', value: 'STATE', help: STATES.join(', ') } },
} as const;

export function messagesCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    const state = STATES.find((known) => known === flags.state);
    if (flags.state !== undefined && !state)
      throw new UsageError(`--state ${flags.state}: expected ${STATES.join(', ')}`);
    const messages = await client.hooks.messages(operands[0] ?? '', { state });
    if (flags.json) io.out.line(JSON.stringify({ messages }, null, 2));
    else if (messages.length > 0) io.out.write(renderTable(columns(io), messages, io.out));
    else io.err.line('kiln: no messages');
    return EXIT.ok;
  });
}

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

const RESEND = {
  usage: 'kiln hook resend [FLAGS] ID MESSAGE…',
  about: 'Sends messages of a webhook once more.',
  operands: [2, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

export function resendCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(RESEND, args, io, async ({ flags, client, operands: [webhook = '', ...messages] }) => {
    for (const id of messages) {
      const message = await client.hooks.resend(webhook, id);
      io.out.line(flags.json ? JSON.stringify(message) : `${id} will be sent`);
    }
    return EXIT.ok;
  });
}
