import { EXIT } from '../../io/exit-codes.ts';
import { readText } from '../../io/read-file.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OVERLAP, overlapText } from '../../server/secret-overlap.ts';
import { durationSeconds } from '../build/request/values.ts';

export const rotateSecretCommand = clientCommand(
  {
    name: 'hook rotate-secret',
    synopsis: 'ID',
    summary: 'Rotate the secret of an outgoing webhook',
    description:
      "Replace the secret of an outgoing webhook, and print the new one to standard output; it can't be shown again.\n\n" +
      'Until the overlap ends, messages are signed with both secrets, so the receiver can change to the new one at any time. ' +
      'Rotating again ends the older secret.',
    operands: [1, 1],
    flags: {
      overlap: OVERLAP,
      'secret-file': {
        kind: 'text',
        value: 'FILE',
        help: 'The new secret, whsec_…; - is standard input (default: generated)',
      },
    },
  },
  async ({ flags, client, operands: [id = ''], io }) => {
    const path = flags['secret-file'];
    const rotated = await client.hooks.rotateWebhookSecret(id, {
      ...(path !== undefined && { secret: (await readText(path, io)).trim() }),
      ...(flags.overlap !== undefined && { overlapSeconds: durationSeconds('--overlap', flags.overlap) }),
    });
    if (flags.json) io.out.line(JSON.stringify(rotated));
    else {
      io.err.line(`kiln: webhook ${id}: ${overlapText(rotated.previousSecretExpiresAt)}`);
      io.out.line(rotated.secret ?? '');
    }
    return EXIT.ok;
  },
);
