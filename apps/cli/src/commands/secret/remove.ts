import type { SecretView } from '@kiln/contracts';
import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { WHERE_FLAGS, whereOf, whoseText } from './where.ts';

/** A command that removes secrets of one kind. */
export function removal(kind: SecretView['kind'], usage: string, about: string) {
  const spec = { usage, about, operands: [1, Number.POSITIVE_INFINITY], flags: WHERE_FLAGS } as const;
  return (args: readonly string[], io: Io): Promise<number> =>
    runCommand(spec, args, io, async ({ flags, client, operands }) => {
      for (const name of operands) {
        const removed = await client.removeSecret({ kind, name, ...whereOf(flags, io) });
        io.out.line(flags.json ? JSON.stringify(removed) : `${removed.name} of ${whoseText(removed)} removed`);
      }
      return EXIT.ok;
    });
}
