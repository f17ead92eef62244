import { safeText } from '@kiln/contracts';
import { auditCommand } from './commands/audit/audit.ts';
import { buildCommand } from './commands/build/build.ts';
import { cancelCommand } from './commands/build/cancel.ts';
import { hostsCommand } from './commands/host/hosts.ts';
import { logsCommand } from './commands/build/logs.ts';
import { psCommand } from './commands/build/ps.ts';
import { retryCommand } from './commands/build/retry.ts';
import { whoamiCommand } from './commands/token/whoami.ts';
import { whyCommand } from './commands/build/why.ts';
import { configCommand } from './commands/config/group.ts';
import { explainError } from './server/explain-error.ts';
import { connectionCommand } from './commands/connection/group.ts';
import { deliveriesCommand } from './commands/delivery/deliveries.ts';
import { deliveryCommand } from './commands/delivery/delivery.ts';
import { hookCommand } from './commands/hook/group.ts';
import { hostCommand } from './commands/host/group.ts';
import { FlagError, UsageError } from './io/errors.ts';
import { EXIT } from './io/exit-codes.ts';
import { editDistance } from './framework/flags.ts';
import { rows, wrap } from './framework/help.ts';
import type { Io } from './io/output.ts';
import { limitsCommand } from './commands/limits/group.ts';
import { scheduleCommand } from './commands/schedule/group.ts';
import { secretCommand } from './commands/secret/group.ts';
import { gitTokenCommand } from './commands/secret/git-token.ts';
import { registryCommand } from './commands/secret/registry.ts';
import { tokenCommand } from './commands/token/group.ts';

interface Command {
  readonly about: string;
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  build: { about: 'Build an image on the pool; takes the flags of docker buildx build', run: buildCommand },
  logs: { about: 'Print or follow the log of a build', run: logsCommand },
  ps: { about: 'List builds', run: psCommand },
  cancel: { about: 'Cancel builds', run: cancelCommand },
  retry: { about: 'Submit a build again', run: retryCommand },
  why: { about: 'Say why a build runs where it runs, or waits', run: whyCommand },
  hosts: { about: 'List the hosts of the pool', run: hostsCommand },
  host: { about: 'Cordon, drain, set or remove a host', run: hostCommand },
  secret: { about: 'Keep secrets for builds', run: secretCommand },
  registry: { about: 'Keep logins to registries for builds', run: registryCommand },
  'git-token': { about: 'Keep tokens by which builds read repositories', run: gitTokenCommand },
  token: { about: 'Create, list and revoke tokens', run: tokenCommand },
  connection: { about: 'Connect forges, whose webhooks make builds', run: connectionCommand },
  deliveries: { about: 'List webhooks that came, and what they made', run: deliveriesCommand },
  delivery: { about: 'Say what became of a webhook, or work on it once more', run: deliveryCommand },
  hook: { about: 'Have Kiln call an address when builds begin or end', run: hookCommand },
  schedule: { about: 'Have something built by the clock', run: scheduleCommand },
  limits: { about: 'Say what you may do at most; set what teams and tokens may', run: limitsCommand },
  audit: { about: 'Print who did what', run: auditCommand },
  whoami: { about: 'Say who Kiln takes you for', run: whoamiCommand },
  worker: {
    about: 'Run a worker here that joins a pool elsewhere',
    run: async (args, io) => (await import('./commands/worker/worker.ts')).runWorker(args, io),
  },
  config: { about: 'Check a .kiln.yaml, or say which builds an event would make', run: configCommand },
  up: {
    about: 'Start Kiln here: API, scheduler and a worker in one process',
    run: async (args) => (await import('./commands/up/up.ts')).runUp([...args]),
  },
};

/** Runs one command line and gives back the exit code. Never throws: whatever goes wrong has been said on stderr. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...args] = argv;
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      const [about] = args;
      if (about !== undefined && Object.hasOwn(COMMANDS, about)) return await runCli([about, '--help'], io);
      io.out.write(overview(io.out.columns));
      return name === undefined ? EXIT.usage : EXIT.ok;
    }
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw new UsageError(unknownCommand(name));
    return await command.run(args, io);
  } catch (error) {
    const explained = explainError(error);
    const text = explained ?? (error instanceof Error ? (error.stack ?? error.message) : String(error));
    io.err.line(`kiln: ${safeText(text)}`);
    if (error instanceof FlagError) {
      io.err.line(`See \`kiln ${name} --help\`.`);
    }
    return EXIT.usage;
  }
}

function unknownCommand(name: string): string {
  const near = Object.keys(COMMANDS).find((known) => editDistance(name, known) <= 2);
  return `there is no command ${JSON.stringify(name)}${near ? `; did you mean ${near}?` : '; see kiln --help'}`;
}

function overview(columns: number): string {
  const commands = rows(
    Object.entries(COMMANDS).map(([name, { about }]) => [name, about]),
    columns,
  );
  const about = 'Kiln: a self-hosted pool of stateful build workers.';
  const more =
    'Flags of a command: kiln COMMAND --help. Which Kiln: --url and --token, else KILN_URL and KILN_TOKEN, else the one that `kiln up` started here.';
  return `Usage: kiln COMMAND\n\n${wrap(about, columns)}\n\nCommands:\n${commands}\n\n${wrap(more, columns)}\n`;
}
