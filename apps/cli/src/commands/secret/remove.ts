import type { SecretView } from '@kiln/contracts';
import type { Command, CommandSpec } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { OWNER_FLAGS, ownerOf, ownerText } from './owner.ts';

type RemovalSpec = Pick<CommandSpec<typeof OWNER_FLAGS>, 'name' | 'synopsis' | 'summary' | 'description'>;

/** Defines a command that removes secrets of one kind. */
export function removal(kind: SecretView['kind'], spec: RemovalSpec): Command {
  return clientCommand(
    { ...spec, operands: [1, Number.POSITIVE_INFINITY], flags: OWNER_FLAGS },
    async ({ flags, client, operands, io }) => {
      for (const name of operands) {
        const removed = await client.removeSecret({ kind, name, ...ownerOf(flags, io) });
        io.out.line(flags.json ? JSON.stringify(removed) : `${removed.name} of ${ownerText(removed)} removed`);
      }
      return EXIT.ok;
    },
  );
}
