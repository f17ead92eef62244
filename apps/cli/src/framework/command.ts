import { FlagError, UsageError } from '../io/errors.ts';
import { EXIT } from '../io/exit-codes.ts';
import type { Io } from '../io/output.ts';
import { EXAMPLES } from './examples.ts';
import { type FlagTable, type FlagValues, parseFlags } from './flags.ts';
import { type FlagSection, flagSection, type HelpPage, type HelpSection, renderHelp } from './help.ts';

export const HELP_FLAG = {
  help: { kind: 'bool', short: 'h', help: 'Show this help' },
} as const satisfies FlagTable;

/** A command that can be run, listed and documented. */
export interface Command {
  /** One line for lists of commands: imperative, without a full stop. */
  readonly summary: string;
  readonly help: HelpPage;
  /** Its flags. Absent: it has only subcommands. */
  readonly flags?: FlagTable;
  /** Runs the command and returns the exit code. @throws UsageError, and whatever the command's work throws */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

export interface CommandSpec<T extends FlagTable> {
  /** The words after `kiln`, such as `host drain`. */
  readonly name: string;
  /** The operands as shown in the usage line, such as `NAME...`. */
  readonly synopsis?: string;
  readonly summary: string;
  /** The text of the help page. Default: the summary. */
  readonly description?: string;
  /** Command lines, with comments that start with `#`. */
  readonly examples?: readonly string[];
  /** Further sections of the help page. */
  readonly notes?: readonly HelpSection[];
  /** Exit codes, if there is more to know than success and failure. */
  readonly exitCodes?: readonly (readonly [code: string, meaning: string])[];
  readonly flags: T;
  /** The least and the greatest number of operands. */
  readonly operands: readonly [number, number];
}

export interface LocalInvocation<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  readonly operands: readonly string[];
  readonly io: Io;
}

/** Defines a command that needs no connection to a server. */
export function localCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  body: (invocation: LocalInvocation<T>) => Promise<number>,
): Command {
  return defineCommand(spec, [{ title: 'Flags', flags: { ...spec.flags, ...HELP_FLAG } }], body);
}

/** Defines a command whose flags are shown in several sections. The sections must list all of its flags, and `HELP_FLAG`. */
export function defineCommand<T extends FlagTable>(
  spec: CommandSpec<T>,
  sections: readonly FlagSection[],
  body: (invocation: LocalInvocation<T>) => Promise<number>,
): Command {
  const help = helpOf(spec, sections.map(flagSection));
  return {
    summary: spec.summary,
    help,
    flags: { ...spec.flags, ...HELP_FLAG },
    run: async (args, io) => {
      try {
        const { flags, operands } = parseFlags(args, { ...spec.flags, ...HELP_FLAG });
        if (flags.help) {
          io.out.write(renderHelp(help, io.out.columns));
          return EXIT.ok;
        }
        checkOperands(operands, spec.operands, help.usage);
        return await body({ flags: flags as unknown as FlagValues<T>, operands, io });
      } catch (error) {
        if (!(error instanceof FlagError)) throw error;
        throw new UsageError(`${error.message}\nSee \`kiln ${spec.name} --help\`.`);
      }
    },
  };
}

function helpOf<T extends FlagTable>(
  { name, synopsis, summary, description, examples = EXAMPLES[name], notes = [], exitCodes }: CommandSpec<T>,
  flags: readonly HelpSection[],
): HelpPage {
  return {
    usage: ['kiln', name, '[FLAGS]', ...(synopsis === undefined ? [] : [synopsis])].join(' '),
    about: description ?? `${summary}.`,
    sections: [
      ...flags,
      ...notes,
      ...(examples ? [{ title: 'Examples', lines: examples }] : []),
      ...(exitCodes ? [{ title: 'Exit codes', rows: exitCodes }] : []),
    ],
  };
}

function checkOperands(operands: readonly string[], [least, most]: readonly [number, number], usage: string): void {
  const { length } = operands;
  if (length >= least && length <= most) return;
  const expected =
    most === 0 ? 'none' : least === most ? least : length < least ? `at least ${least}` : `at most ${most}`;
  throw new FlagError(`got ${length} argument${length === 1 ? '' : 's'}, expected ${expected}; usage: ${usage}`);
}
