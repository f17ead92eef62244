import { durationSeconds } from '../build/values.ts';
import { runCommand } from '../commands/command-line.ts';
import { readText } from '../config/read-file.ts';
import { OVERLAP, overlapText } from '../forge/secret-overlap.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';

const SPEC = {
  usage: 'kiln hook rotate-secret [FLAGS] ID',
  about:
    'Replaces the secret of a webhook that Kiln sends, and prints the new one, this once, alone on standard output. Until the overlap ends, messages are signed with both secrets, so the receiver can change over at any time. Rotating again ends the older one.',
  operands: [1, 1],
  flags: {
    overlap: OVERLAP,
    'secret-file': { kind: 'text', value: 'FILE', help: 'The new secret: whsec_… (default: Kiln makes one up)' },
  },
} as const;

export function rotateCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands: [id = ''] }) => {
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
  });
}
