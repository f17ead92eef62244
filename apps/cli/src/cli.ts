import { safeText } from '@kiln/contracts';
import { CATALOG, COMMANDS, loadCatalog } from './commands/catalog.ts';
import { localCommand } from './framework/command.ts';
import { nearest } from './framework/edit-distance.ts';
import { type HelpPage, renderHelp } from './framework/help.ts';
import { respell, sayRespelt } from './framework/old-spellings.ts';
import { UsageError } from './io/errors.ts';
import { EXIT } from './io/exit-codes.ts';
import type { Io } from './io/output.ts';

/** Runs a command line and returns the exit code. Never throws: errors are printed to standard error. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await run(argv, io);
  } catch (error) {
    return reportError(error, io);
  }
}

/** Prints an error that ends the command, without its stack, and returns the exit code. */
export async function reportError(error: unknown, io: Io): Promise<number> {
  io.err.line(`kiln: ${safeText(await textOf(error, io.env))}`);
  return EXIT.usage;
}

/** Describes an error. One that has no explanation is a bug in this command, or the operating system's; its stack helps only developers. */
async function textOf(error: unknown, env: Io['env']): Promise<string> {
  const { explainError } = await import('./server/explain-error.ts');
  const explained = explainError(error);
  if (explained !== undefined) return explained;
  if (!(error instanceof Error)) return String(error);
  if (env.KILN_DEBUG) {
    const { mappedStack } = await import('./io/mapped-stack.ts');
    return mappedStack(error.stack ?? error.message);
  }
  const text = error.message || error.name;
  // The message of an error of the operating system says what failed, and on which file.
  return 'syscall' in error
    ? text
    : `unexpected error: ${text}\nKILN_DEBUG=1 shows where it happened, for a bug report.`;
}

async function run(argv: readonly string[], io: Io): Promise<number> {
  const respelt = respell(argv);
  if (respelt) sayRespelt(respelt, io);
  const [name, ...args] = respelt?.argv ?? argv;
  if (name === undefined || name === '--help' || name === '-h') {
    io.out.write(renderHelp(OVERVIEW, io.out.columns));
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  if (name === 'help') return helpCommand.run(args, io);
  // What the scripts of kiln completion call.
  if (name === '__complete') return (await import('./commands/completion/complete.ts')).complete(args, io);
  const listed = name === '--version' ? COMMANDS.version : Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (listed) return (await listed.load()).run(args, io);
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
    'Commands use the server that --url and --token give, or --context, or KILN_URL and KILN_TOKEN, or the context that kiln login or kiln context use has chosen, or the pool that kiln up runs on this machine.',
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
    if (!flags.markdown) return run([...operands, '--help'], io);
    const { referenceMarkdown } = await import('./framework/reference.ts');
    io.out.write(referenceMarkdown(await loadCatalog()));
    return EXIT.ok;
  },
);
