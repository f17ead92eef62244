import { durationSeconds } from '../build/values.ts';
import { runCommand } from '../commands/command-line.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import { readSecret } from './read-secret.ts';
import { OVERLAP, overlapText } from './secret-overlap.ts';

const SPEC = {
  usage: 'kiln connection rotate-secret [FLAGS] NAME',
  about:
    'Replaces the secret of a connection’s webhook, and prints the new one, this once, alone on standard output. Set it at the forge before the overlap ends: until then, Kiln accepts webhooks by either secret. Rotating again ends the older one.',
  operands: [1, 1],
  flags: {
    overlap: OVERLAP,
    'webhook-secret-file': { kind: 'text', value: 'FILE', help: 'The new secret (default: Kiln makes one up)' },
  },
} as const;

export function rotateCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands: [name = ''] }) => {
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
  });
}
