import { WEBHOOK_EVENTS } from '@kiln/contracts';
import { listOf } from '../../framework/flag-values.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { readText } from '../../io/read-file.ts';
import { clientCommand } from '../../server/client-command.ts';

export const createCommand = clientCommand(
  {
    name: 'hook create',
    synopsis: 'URL',
    summary: 'Create an outgoing webhook',
    description:
      "Create a webhook: Kiln calls URL when a team's builds start or end. Prints the secret that signs the messages to standard output; it can't be shown again. " +
      'Messages are signed as described at standardwebhooks.com.',
    examples: ['kiln hook create --team web -e build.failed,build.canceled https://chat.example.org/kiln'],
    operands: [1, 1],
    flags: {
      team: { kind: 'text', value: 'NAME', help: "Team whose builds are reported (default: the token's team)" },
      event: {
        kind: 'list',
        short: 'e',
        value: 'EVENT',
        help: `${WEBHOOK_EVENTS.join(', ')} (repeatable; default: the events that end a build)`,
      },
      'secret-file': {
        kind: 'text',
        value: 'FILE',
        help: 'Secret to sign with, whsec_…; - is standard input (default: generated)',
      },
    },
  },
  async ({ flags, client, operands, io }) => {
    const events = listOf('--event', flags.event, WEBHOOK_EVENTS);
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
  },
);
