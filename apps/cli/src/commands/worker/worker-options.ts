import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidEnvironment } from '@kiln/runtime';
import { type WorkerSettings, workerSettings } from '@kiln/worker';
import { dataDirectory } from '../../server/find-server.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { type FlagValues, parseFlags } from '../../framework/flags.ts';
import { renderHelp } from '../../framework/help.ts';
import { defaultSlots, toHostName } from '../up/up-options.ts';

const FLAGS = {
  join: { kind: 'text', value: 'URL', help: "The pool's API (default: $KILN_JOIN_URL)" },
  token: {
    kind: 'text',
    value: 'TOKEN',
    help: 'Join token (default: $KILN_JOIN_TOKEN; others can see a command line: rather use that, or --token-file)',
  },
  'token-file': {
    kind: 'text',
    value: 'FILE',
    help: 'File that holds the join token (default: $KILN_JOIN_TOKEN_FILE)',
  },
  name: { kind: 'text', value: 'NAME', help: "Name of this host in the pool (default: the machine's)" },
  slots: { kind: 'text', value: 'N', help: 'Builds at a time (default: half the cores, at least 1)' },
  label: {
    kind: 'list',
    short: 'l',
    value: 'KEY=VALUE',
    help: 'Label of this host, for which builds can ask; may be repeated',
  },
  'data-dir': {
    kind: 'text',
    value: 'DIR',
    help: 'For its own files (default: worker/NAME below $KILN_DATA_DIR or ~/.local/share/kiln)',
  },
  driver: { kind: 'text', value: 'DRIVER', help: 'auto, docker-container or docker (default: $KILN_DRIVER, or auto)' },
  trust: {
    kind: 'text',
    value: 'CLASS',
    help: 'Take trusted or untrusted builds only (default: $KILN_TRUST, or both with docker-container, trusted with docker)',
  },
  isolation: {
    kind: 'text',
    value: 'WHO',
    help: 'Who shares caches: the builds of a team, of a repo, or of the whole pool (default: $KILN_ISOLATION, or team)',
  },
  exit: { kind: 'bool', help: 'End with 0 when an operator has drained this host' },
  'drain-timeout': {
    kind: 'text',
    value: 'SECS',
    help: 'How long Ctrl-C or SIGTERM lets running builds go on (default: 300)',
  },
  'log-level': { kind: 'text', value: 'LEVEL', help: 'trace, debug, info, warn, error or silent (default: info)' },
  log: {
    kind: 'text',
    value: 'FILE',
    help: "Where Kiln's own log goes, - for standard error (default: DIR/worker.log)",
  },
  help: { kind: 'bool', short: 'h' },
} as const;

/** The setting that a flag stands for. */
const VARIABLES = {
  join: 'KILN_JOIN_URL',
  token: 'KILN_JOIN_TOKEN',
  'token-file': 'KILN_JOIN_TOKEN_FILE',
  name: 'KILN_HOST_NAME',
  slots: 'KILN_SLOTS',
  label: 'KILN_LABELS',
  'data-dir': 'KILN_DATA_DIR',
  driver: 'KILN_DRIVER',
  trust: 'KILN_TRUST',
  isolation: 'KILN_ISOLATION',
  exit: 'KILN_EXIT_WHEN_DRAINED',
  'drain-timeout': 'KILN_DRAIN_SECONDS',
  'log-level': 'KILN_LOG_LEVEL',
} as const satisfies Partial<Record<keyof typeof FLAGS, string>>;

const BY_VARIABLE: ReadonlyMap<string, string> = new Map(
  Object.entries(VARIABLES).map(([flag, variable]) => [variable, `--${flag} (${variable})`]),
);

const HELP = {
  usage: 'kiln worker --join URL --token-file FILE [FLAGS]',
  about:
    'Runs a worker on this machine, with its Docker Engine, that joins the pool of a Kiln elsewhere: asks its API with the join ' +
    'token for what it needs, reads contexts and stores artifacts through it. Ctrl-C finishes what runs and leaves; ' +
    'a second Ctrl-C leaves at once.',
  sections: [{ title: 'Flags', flags: FLAGS }],
  notes:
    'Every setting of a worker may come from the environment; flags go before it.\n\n' +
    'Exit codes:\n  0    asked to stop, drained with --exit, or removed from the pool\n' +
    '  1    could not join, or could not go on\n  125  wrong usage',
} as const;

export interface WorkerOptions {
  readonly settings: WorkerSettings;
  /** `-` is standard error. */
  readonly logFile: string;
}

export function workerHelp(columns: number): string {
  return renderHelp(HELP, columns);
}

/** Reads the flags of `kiln worker` over the environment; `help` where they ask for it. @throws UsageError */
export function parseWorkerOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): WorkerOptions | 'help' {
  const { flags, operands } = parseFlags(args, FLAGS);
  if (flags.help) return 'help';
  if (operands.length > 0) throw new FlagError(`usage: ${HELP.usage}`);
  const merged = merge(flags, env);
  if (!merged.KILN_JOIN_URL && !merged.KILN_REDIS_URL) {
    throw new FlagError('which pool? Give --join URL and --token-file FILE, or set KILN_JOIN_URL and KILN_JOIN_TOKEN');
  }
  try {
    const settings = workerSettings(merged, (variable) => BY_VARIABLE.get(variable) ?? variable);
    return { settings, logFile: flags.log ?? join(resolve(settings.KILN_DATA_DIR), 'worker.log') };
  } catch (error) {
    if (error instanceof InvalidEnvironment) throw new UsageError(error.message);
    throw error;
  }
}

function merge(
  flags: FlagValues<typeof FLAGS>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const given = Object.entries(VARIABLES).flatMap(([flag, variable]): [string, string][] => {
    const value = flags[flag as keyof typeof VARIABLES];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [[variable, String(value)]];
  });
  const rest = { ...env };
  // One of the flags is the whole answer to which token.
  if (flags.token !== undefined || flags['token-file'] !== undefined) {
    rest.KILN_JOIN_TOKEN = undefined;
    rest.KILN_JOIN_TOKEN_FILE = undefined;
  }
  // The environment's KILN_DATA_DIR is Kiln's on this machine, which this worker has only a part of.
  rest.KILN_DATA_DIR = undefined;
  const merged: Record<string, string | undefined> = { ...rest, ...Object.fromEntries(given) };
  merged.KILN_HOST_NAME ||= toHostName(hostname());
  merged.KILN_SLOTS ||= String(defaultSlots());
  merged.KILN_DATA_DIR ||= join(dataDirectory(env), 'worker', merged.KILN_HOST_NAME);
  return merged;
}
