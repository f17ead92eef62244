import { FlagError, UsageError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import { editDistance } from '../io/flags.ts';
import { rows, wrap } from '../io/help.ts';
import type { Io } from '../io/output.ts';
import { cordonCommand, uncordonCommand } from './cordon.ts';
import { drainCommand } from './drain.ts';
import { removeCommand } from './remove.ts';
import { setCommand } from './set.ts';

type Run = (args: readonly string[], io: Io) => Promise<number>;

const SUBCOMMANDS: Readonly<Record<string, { readonly about: string; readonly run: Run }>> = {
  cordon: { about: 'Give a host nothing new', run: cordonCommand },
  uncordon: { about: 'Give it builds again; ends a drain, too', run: uncordonCommand },
  drain: { about: 'Empty it: nothing new, and finish what runs or hand it back', run: drainCommand },
  set: { about: 'Set its slots and labels', run: setCommand },
  remove: { about: 'Take it out of the pool', run: removeCommand },
};

/** `kiln host …`: what operators do with hosts. */
export async function hostCommand([name, ...args]: readonly string[], io: Io): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out.write(overview(io.out.columns));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (!command) throw new UsageError(unknown(name));
  try {
    return await command.run(args, io);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new UsageError(`${error.message}\nSee \`kiln host ${name} --help\`.`);
  }
}

function unknown(name: string): string {
  if (/^(?:list|ls|ps)$/.test(name)) return `there is no kiln host ${name}; kiln hosts lists them`;
  const near = Object.keys(SUBCOMMANDS).find((known) => editDistance(name, known) <= 2);
  return `there is no kiln host ${name}${near ? `; did you mean ${near}?` : '; see kiln host --help'}`;
}

function overview(columns: number): string {
  const commands = rows(
    Object.entries(SUBCOMMANDS).map(([name, { about }]) => [name, about]),
    columns,
  );
  const about =
    'What operators do with the hosts of the pool; kiln hosts lists them. Takes effect at once, without a restart.';
  return `Usage: kiln host COMMAND NAME…\n\n${wrap(about, columns)}\n\nCommands:\n${commands}\n\nFlags of a command: kiln host COMMAND --help.\n`;
}
