import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidEnvironment } from '@kiln/runtime';
import { type WorkerSettings, workerSettings } from '@kiln/worker';
import type { FlagValues } from '../../framework/flags.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { dataDirectory } from '../../server/local-pools.ts';
import type { WORKER_FLAGS } from './flags.ts';
import { defaultSlots, toHostName } from './host-defaults.ts';

/** The setting that each flag sets. */
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
} as const satisfies Partial<Record<keyof typeof WORKER_FLAGS, string>>;

const BY_VARIABLE: ReadonlyMap<string, string> = new Map(
  Object.entries(VARIABLES).map(([flag, variable]) => [variable, `--${flag} (${variable})`]),
);

export interface WorkerOptions {
  readonly settings: WorkerSettings;
  /** `-` means standard error. */
  readonly logFile: string;
}

/** Reads the flags of `kiln worker`, which take precedence over the environment. @throws UsageError */
export function readWorkerOptions(
  flags: FlagValues<typeof WORKER_FLAGS>,
  env: Readonly<Record<string, string | undefined>>,
): WorkerOptions {
  const merged = merge(flags, env);
  if (!merged.KILN_JOIN_URL && !merged.KILN_REDIS_URL) {
    throw new FlagError(
      'no pool given: use --join URL and --token-file FILE, or set KILN_JOIN_URL and KILN_JOIN_TOKEN',
    );
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
  flags: FlagValues<typeof WORKER_FLAGS>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const given = Object.entries(VARIABLES).flatMap(([flag, variable]): [string, string][] => {
    const value = flags[flag as keyof typeof VARIABLES];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    return [[variable, String(value)]];
  });
  const rest = { ...env };
  // A token given by a flag replaces both variables.
  if (flags.token !== undefined || flags['token-file'] !== undefined) {
    rest.KILN_JOIN_TOKEN = undefined;
    rest.KILN_JOIN_TOKEN_FILE = undefined;
  }
  // KILN_DATA_DIR is Kiln's data directory on this machine; this worker uses only a part of it.
  rest.KILN_DATA_DIR = undefined;
  const merged: Record<string, string | undefined> = { ...rest, ...Object.fromEntries(given) };
  merged.KILN_HOST_NAME ||= toHostName(hostname());
  merged.KILN_SLOTS ||= String(defaultSlots());
  merged.KILN_DATA_DIR ||= join(dataDirectory(env), 'worker', merged.KILN_HOST_NAME);
  return merged;
}
