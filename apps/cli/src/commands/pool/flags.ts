import type { FlagTable } from '../../framework/flags.ts';

/** The defaults of `kiln up` that don't depend on the machine. */
export const UP_DEFAULTS = {
  host: '127.0.0.1',
  port: 7700,
  workerPort: 7701,
  drainSeconds: 300,
  logLevel: 'info',
} as const;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** Flags that `kiln up` and `kiln worker` share. */
export const HOST_FLAGS = {
  name: { kind: 'text', value: 'NAME', help: "Name of this host in the pool (default: the machine's hostname)" },
  slots: { kind: 'text', value: 'N', help: 'Concurrent builds (default: half the cores, at least 1)' },
  driver: { kind: 'text', value: 'DRIVER', help: 'auto, docker-container or docker (default: $KILN_DRIVER or auto)' },
  trust: {
    kind: 'text',
    value: 'CLASS',
    help: 'Take only trusted or only untrusted builds (default: $KILN_TRUST, or both with docker-container and trusted with docker)',
  },
  isolation: {
    kind: 'text',
    value: 'SCOPE',
    help: 'Who shares caches: builds of the same team, of the same repo, or of the whole pool (default: $KILN_ISOLATION or team)',
  },
  'drain-timeout': {
    kind: 'text',
    value: 'SECONDS',
    help: `How long running builds may continue after Ctrl-C (default: ${UP_DEFAULTS.drainSeconds})`,
  },
  'log-level': { kind: 'text', value: 'LEVEL', help: `${LOG_LEVELS.join(', ')} (default: ${UP_DEFAULTS.logLevel})` },
} as const satisfies FlagTable;

const LABEL_HELP = 'Label of this host, which builds can select with --host-label (repeatable)';

export const UP_FLAGS = {
  'data-dir': {
    kind: 'text',
    value: 'DIR',
    help: 'Directory for all data (default: $KILN_DATA_DIR or ~/.local/share/kiln)',
  },
  host: { kind: 'text', value: 'ADDRESS', help: `Address to listen on (default: ${UP_DEFAULTS.host})` },
  port: {
    kind: 'text',
    value: 'PORT',
    help: `Port to listen on; 0 takes any free port (default: ${UP_DEFAULTS.port})`,
  },
  'listen-workers': {
    kind: 'text',
    value: 'ADDRESS[:PORT]',
    help: `Let workers on other machines join: Redis also listens on this address, with a password (default port: ${UP_DEFAULTS.workerPort}); use --host as well, so that they reach the API`,
  },
  ...HOST_FLAGS,
  label: { kind: 'list', value: 'KEY=VALUE', help: LABEL_HELP },
  log: {
    kind: 'text',
    value: 'FILE',
    help: "Kiln's own log; - is standard error (default: kiln.log in the data directory)",
  },
} as const satisfies FlagTable;

export const WORKER_FLAGS = {
  join: { kind: 'text', value: 'URL', help: "The pool's API (default: $KILN_JOIN_URL)" },
  token: {
    kind: 'text',
    value: 'TOKEN',
    help: 'Join token (default: $KILN_JOIN_TOKEN); others can read a command line, so prefer --token-file',
  },
  'token-file': {
    kind: 'text',
    value: 'FILE',
    help: 'File that contains the join token (default: $KILN_JOIN_TOKEN_FILE)',
  },
  'data-dir': {
    kind: 'text',
    value: 'DIR',
    help: 'Directory for the files of this worker (default: worker/NAME in $KILN_DATA_DIR or ~/.local/share/kiln)',
  },
  exit: { kind: 'bool', help: 'Exit with 0 once an operator has drained this host' },
  ...HOST_FLAGS,
  label: { kind: 'list', short: 'l', value: 'KEY=VALUE', help: LABEL_HELP },
  log: {
    kind: 'text',
    value: 'FILE',
    help: "Kiln's own log; - is standard error (default: worker.log in the data directory)",
  },
} as const satisfies FlagTable;
