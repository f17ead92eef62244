import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';

const SPEC = {
  usage: 'kiln token revoke [FLAGS] ID…',
  about: 'Revokes tokens, at once and for good. kiln token ls shows their ids; the token itself isn’t needed.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

export function revokeCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(SPEC, args, io, async ({ flags, client, operands }) => {
    for (const id of operands) {
      const revoked = await client.revokeToken(id);
      io.out.line(flags.json ? JSON.stringify(revoked) : `${id} (${revoked.name}) revoked`);
    }
    return EXIT.ok;
  });
}
