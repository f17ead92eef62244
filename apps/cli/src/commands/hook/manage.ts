import { WEBHOOK_EVENTS, type WebhookEvent, type WebhookView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { readText } from '../../io/read-file.ts';
import { age } from '../../io/ages.ts';
import { UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { type Column, renderTable } from '../../io/table.ts';

const CREATE = {
  usage: 'kiln hook create [FLAGS] URL',
  about:
    'Has Kiln call URL when a team’s builds begin or end, and prints the secret that signs the messages, this once, alone on standard output. Signatures are those of standardwebhooks.com.',
  operands: [1, 1],
  flags: {
    team: { kind: 'text', value: 'NAME', help: 'Whose builds (default: the credential’s own team)' },
    event: {
      kind: 'list',
      short: 'e',
      value: 'EVENT',
      help: `${WEBHOOK_EVENTS.join(', ')}; repeat it (default: those that end a build)`,
    },
    'secret-file': { kind: 'text', value: 'FILE', help: 'A secret of your own: whsec_… (default: a new one)' },
  },
} as const;

export function createCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(CREATE, args, io, async ({ flags, client, operands }) => {
    const events = readEvents(flags.event);
    const path = flags['secret-file'];
    const secret = path === undefined ? undefined : (await readText(path, io)).trim();
    const created = await client.hooks.createWebhook({
      url: operands[0] ?? '',
      ...(flags.team !== undefined && { team: flags.team }),
      ...(events.length > 0 && { events }),
      ...(secret !== undefined && { secret }),
    });
    if (flags.json) io.out.line(JSON.stringify(created));
    else {
      io.err.line(`kiln: webhook ${created.id} of team ${created.team}; its secret is not shown again:`);
      io.out.line(created.secret ?? '');
    }
    return EXIT.ok;
  });
}

function readEvents(given: readonly string[]): WebhookEvent[] {
  return given
    .flatMap((text) => text.split(','))
    .map((name) => {
      const event = WEBHOOK_EVENTS.find((known) => known === name);
      if (!event) throw new UsageError(`--event ${name}: expected ${WEBHOOK_EVENTS.join(', ')}`);
      return event;
    });
}

const LIST = {
  usage: 'kiln hook ls [FLAGS]',
  about: 'Lists the webhooks that Kiln sends, the oldest first.',
  operands: [0, 0],
  flags: {},
} as const;

export function listCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(LIST, args, io, async ({ flags, client }) => {
    const webhooks = await client.hooks.webhooks();
    if (flags.json) io.out.line(JSON.stringify({ webhooks }, null, 2));
    else if (webhooks.length > 0) io.out.write(renderTable(columns(io), webhooks, io.out));
    else io.err.line('kiln: no webhooks; kiln hook create makes one');
    return EXIT.ok;
  });
}

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

const REMOVE = {
  usage: 'kiln hook rm [FLAGS] ID…',
  about: 'Removes webhooks with their messages, also those that haven’t been delivered.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

export function removeCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(REMOVE, args, io, async ({ flags, client, operands }) => {
    for (const id of operands) {
      const removed = await client.hooks.removeWebhook(id);
      io.out.line(flags.json ? JSON.stringify(removed) : `${id} removed`);
    }
    return EXIT.ok;
  });
}
