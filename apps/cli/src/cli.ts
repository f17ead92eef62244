import { safeText } from '@kiln/contracts';
import { CATALOG, COMMANDS } from './commands/catalog.ts';
import { localCommand } from './framework/command.ts';
import { nearest } from './framework/edit-distance.ts';
import { type HelpPage, renderHelp } from './framework/help.ts';
import { referenceMarkdown } from './framework/reference.ts';
import { UsageError } from './io/errors.ts';
import { EXIT } from './io/exit-codes.ts';
import type { Io } from './io/output.ts';
import { explainError } from './server/explain-error.ts';

/** Runs a command line and returns the exit code. Never throws: errors are printed to standard error. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await run(argv, io);
  } catch (error) {
    const explained = explainError(error);
    const text = explained ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
    io.err.line(`kiln: ${safeText(text)}`);
    return EXIT.usage;
  }
}

async function run([name, ...args]: readonly string[], io: Io): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h') {
    io.out.write(renderHelp(OVERVIEW, io.out.columns));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = name === 'help' ? helpCommand : Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command) return command.run(args, io);
  const meant = nearest(name, Object.keys(COMMANDS));
  throw new UsageError(`no command ${JSON.stringify(name)}; ${meant ? `did you mean ${meant}?` : 'see kiln --help'}`);
}

const OVERVIEW: HelpPage = {
  usage: 'kiln COMMAND',
  about: 'Kiln, a self-hosted pool of stateful build workers.',
  sections: CATALOG.map(({ title, commands }) => ({
    title,
    rows: Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
  })),
  footer:
    'Run kiln COMMAND --help for the flags of a command.\n\n' +
    'Commands use the server that --url and --token give, or KILN_URL and KILN_TOKEN, or the one that kiln up runs on this machine.',
};

const helpCommand = localCommand(
  {
    name: 'help',
    synopsis: '[COMMAND...]',
    summary: 'Show the help of a command',
    operands: [0, 2],
    flags: { markdown: { kind: 'bool', help: 'Print the reference of all commands as Markdown' } },
  },
  async ({ flags, operands, io }) => {
    if (flags.markdown) io.out.write(referenceMarkdown(CATALOG));
    return flags.markdown ? EXIT.ok : run([...operands, '--help'], io);
  },
);
