import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OVERLAP, overlapText } from '../../server/secret-overlap.ts';
import { durationSeconds } from '../build/request/values.ts';
import { readSecret } from './read-secret.ts';

export const rotateSecretCommand = clientCommand(
  {
    name: 'connection rotate-secret',
    synopsis: 'NAME',
    summary: 'Rotate the webhook secret of a connection',
    description:
      "Replace the webhook secret of a connection, and print the new one to standard output; it can't be shown again.\n\n" +
      'Until the overlap ends, Kiln accepts webhooks that are signed with either secret: set the new one at the forge in that time. ' +
      'Rotating again ends the older secret.',
    examples: ['kiln connection rotate-secret acme', 'kiln connection rotate-secret acme --overlap 0'],
    operands: [1, 1],
    flags: {
      overlap: OVERLAP,
      'webhook-secret-file': {
        kind: 'text',
        value: 'FILE',
        help: 'The new secret; - is standard input (default: generated)',
      },
    },
  },
  async ({ flags, client, operands: [name = ''], io }) => {
    const path = flags['webhook-secret-file'];
    const rotated = await client.hooks.rotateConnectionSecret(name, {
      ...(path !== undefined && { webhookSecret: await readSecret(path, io) }),
      ...(flags.overlap !== undefined && { overlapSeconds: durationSeconds('--overlap', flags.overlap) }),
    });
    if (flags.json) io.out.line(JSON.stringify(rotated));
    else {
      io.err.line(`kiln: connection ${name}: ${overlapText(rotated.previousSecretExpiresAt)}`);
      if (rotated.webhookSecret !== undefined) io.out.line(rotated.webhookSecret);
    }
    return EXIT.ok;
  },
);
