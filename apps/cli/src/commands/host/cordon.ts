import { runCommand } from '../../framework/command.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { forEachHost, sayHost } from './for-each-host.ts';
import { buildsText } from './host-text.ts';

const CORDON = {
  usage: 'kiln host cordon [FLAGS] NAME…',
  about: 'Gives hosts nothing new. What they hold goes on; so does the cordon, until `kiln host uncordon`.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

export function cordonCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(CORDON, args, io, ({ flags, client, operands }) =>
    forEachHost(operands, io, async (name) => {
      const host = await client.cordonHost(name);
      sayHost(io, flags.json, host, `${name} cordoned${host.builds.length > 0 ? `; ${buildsText(host)}` : ''}`);
      return EXIT.ok;
    }),
  );
}

const UNCORDON = {
  usage: 'kiln host uncordon [FLAGS] NAME…',
  about: 'Gives hosts builds again: ends a cordon, a drain, and a removal under way.',
  operands: [1, Number.POSITIVE_INFINITY],
  flags: {},
} as const;

export function uncordonCommand(args: readonly string[], io: Io): Promise<number> {
  return runCommand(UNCORDON, args, io, ({ flags, client, operands }) =>
    forEachHost(operands, io, async (name) => {
      const host = await client.uncordonHost(name);
      sayHost(io, flags.json, host, `${name} uncordoned${host.state === 'ready' ? '' : `; it is ${host.state}`}`);
      return EXIT.ok;
    }),
  );
}
