import { UsageError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Command } from './command.ts';
import { nearest } from './edit-distance.ts';
import { renderHelp } from './help.ts';

export interface GroupSpec {
  readonly name: string;
  readonly summary: string;
  /** The text of the help page. Default: the summary. */
  readonly description?: string;
  readonly commands: Readonly<Record<string, Command>>;
  /** Answers for command names that people know from other tools, where the closest spelling isn't the right suggestion. */
  readonly hints?: Readonly<Record<string, string>>;
  /** The command that runs if none is named. Default: print the help page and fail. */
  readonly fallback?: Command;
}

/** A command that consists of subcommands, such as `kiln host`. */
export interface CommandGroup extends Command {
  readonly commands: Readonly<Record<string, Command>>;
}

/** Defines a command that consists of subcommands. */
export function commandGroup(spec: GroupSpec): CommandGroup {
  const { name: group, summary, description, commands, fallback } = spec;
  const help = {
    usage: `kiln ${group} ${fallback ? '[COMMAND]' : 'COMMAND'}`,
    about: description ?? `${summary}.`,
    sections: [
      { title: 'Commands', rows: Object.entries(commands).map(([name, command]) => [name, command.summary] as const) },
    ],
    footer: `Run kiln ${group} COMMAND --help for the flags of a command.`,
  };
  return {
    summary,
    help,
    commands,
    run: async ([name, ...args], io) => {
      if (fallback && isFallback(name)) return fallback.run(name === undefined ? [] : [name, ...args], io);
      if (name === undefined || name === 'help' || isHelp(name)) {
        io.out.write(renderHelp(help, io.out.columns));
        return name === undefined ? EXIT.usage : EXIT.ok;
      }
      const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
      if (!command) throw new UsageError(unknownCommand(spec, name));
      return command.run(args, io);
    },
  };
}

/** No command name, or a flag of the fallback in its place. */
function isFallback(name: string | undefined): boolean {
  return name === undefined || (name.startsWith('-') && !isHelp(name));
}

function isHelp(name: string): boolean {
  return name === '--help' || name === '-h';
}

function unknownCommand({ name: group, commands, hints = {} }: GroupSpec, name: string): string {
  const hint = Object.hasOwn(hints, name) ? hints[name] : undefined;
  const meant = nearest(name, Object.keys(commands));
  const advice = hint ?? (meant ? `did you mean ${meant}?` : `see kiln ${group} --help`);
  return `no command kiln ${group} ${name}; ${advice}`;
}
