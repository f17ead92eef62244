import { kilnConfigJsonSchema } from '@kiln/contracts';
import { runLocalCommand } from '../../framework/command.ts';
import { FlagError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { rows, wrap } from '../../framework/help.ts';
import type { Io } from '../../io/output.ts';
import { checkCommand } from './check.ts';
import { explainCommand } from './explain.ts';

const SCHEMA = {
  usage: 'kiln config schema',
  about: 'Prints the JSON Schema of .kiln.yaml, for editors.',
  operands: [0, 0],
  flags: {},
} as const;

const COMMANDS: Readonly<Record<string, (args: readonly string[], io: Io) => Promise<number>>> = {
  check: checkCommand,
  explain: explainCommand,
  schema: (args, io) =>
    runLocalCommand(SCHEMA, args, io, async () => {
      io.out.line(JSON.stringify(kilnConfigJsonSchema(), null, 2));
      return EXIT.ok;
    }),
};

/** `kiln config check|explain|schema`; none of them needs a server. */
export async function configCommand([name, ...args]: readonly string[], io: Io): Promise<number> {
  if (name === '--help' || name === '-h') {
    io.out.write(help(io.out.columns));
    return EXIT.ok;
  }
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new FlagError(`usage: kiln config ${Object.keys(COMMANDS).join('|')}`);
  return command(args, io);
}

function help(columns: number): string {
  const about = 'Works on .kiln.yaml, the file that says which images a repository has and when they are built.';
  const commands = rows(
    [
      ['check [FILE]', 'Name all that is wrong with a file, with line and column'],
      ['explain --event FILE', 'Say which builds a webhook would make, and why not the others'],
      ['schema', SCHEMA.about],
    ],
    columns,
  );
  return `Usage: kiln config COMMAND\n\n${wrap(about, columns)}\n\nCommands:\n${commands}\n`;
}
