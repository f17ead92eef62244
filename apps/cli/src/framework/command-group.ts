import { FlagError, UsageError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import { editDistance } from './flags.ts';
import { rows, wrap } from './help.ts';
import type { Io } from '../io/output.ts';

type Run = (args: readonly string[], io: Io) => Promise<number>;

/** A command that only has commands of its own, such as `kiln host`. */
export interface CommandGroup {
  readonly name: string;
  readonly about: string;
  /** What the commands take, for the usage line. */
  readonly operands: string;
  readonly commands: Readonly<Record<string, { readonly about: string; readonly run: Run }>>;
  /** What to say of names that others would have for it, where that isn't the nearest one. */
  readonly elsewhere?: Readonly<Record<string, string>>;
}

export async function runGroup(group: CommandGroup, [name, ...args]: readonly string[], io: Io): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out.write(overview(group, io.out.columns));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = Object.hasOwn(group.commands, name) ? group.commands[name] : undefined;
  if (!command) throw new UsageError(unknown(group, name));
  try {
    return await command.run(args, io);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new UsageError(`${error.message}\nSee \`kiln ${group.name} ${name} --help\`.`);
  }
}

function unknown({ name: group, commands, elsewhere = {} }: CommandGroup, name: string): string {
  const hint = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined;
  if (hint !== undefined) return `there is no kiln ${group} ${name}; ${hint}`;
  const near = Object.keys(commands).find((known) => editDistance(name, known) <= 2);
  return `there is no kiln ${group} ${name}${near ? `; did you mean ${near}?` : `; see kiln ${group} --help`}`;
}

function overview({ name, about, operands, commands }: CommandGroup, columns: number): string {
  const list = rows(
    Object.entries(commands).map(([command, { about: what }]) => [command, what]),
    columns,
  );
  return `Usage: kiln ${name} COMMAND ${operands}\n\n${wrap(about, columns)}\n\nCommands:\n${list}\n\nFlags of a command: kiln ${name} COMMAND --help.\n`;
}
