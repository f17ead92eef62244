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

/** The environment variables of `kiln up`, by topic, for its help. A test compares them with those that it reads. */
export const UP_VARIABLES = [
  ['KILN_TOOL_IMAGE', 'KILN_BUILDKIT_IMAGE', 'KILN_DOCKER_SOCKET', 'KILN_DOCKER_CONFIG', 'KILN_PUSH_RETRIES'],
  [
    'KILN_TRUST',
    'KILN_ISOLATION',
    'KILN_FRONTENDS',
    'KILN_BUILD_EGRESS',
    'KILN_ENTITLEMENTS',
    'KILN_BUILDER_IDLE_MS',
    'KILN_KEEP_BROKEN_STATE',
  ],
  ['KILN_CACHE_BUDGET', 'KILN_MIN_FREE_DISK', 'KILN_REPO_CACHE_CAP', 'KILN_TEAM_CACHE_CAP'],
  ['KILN_REPO_ARCHIVE_CAP'],
  ['KILN_CACHE_CLEAN_HOURS', 'KILN_CACHE_REFERENCE_DAYS'],
  ['KILN_CACHE_BUDGET_BYTES', 'KILN_UNTRUSTED_CACHE_BUDGET_BYTES', 'KILN_UNTRUSTED_DOCKER_CONFIG'],
  ['KILN_TREE_BUDGET_BYTES'],
  ['KILN_REGISTRY_MIRRORS', 'KILN_REGISTRY_PLAIN_HTTP', 'KILN_REGISTRY_INSECURE_SKIP_VERIFY', 'KILN_REGISTRY_CAS'],
  ['KILN_BUILD_CAS', 'KILN_BUILD_HTTP_PROXY', 'KILN_BUILD_HTTPS_PROXY', 'KILN_BUILD_NO_PROXY', 'KILN_BUILD_PROXY_FOR'],
  ['KILN_BUILD_DNS', 'KILN_BUILD_DNS_SEARCH', 'KILN_BUILD_DNS_OPTIONS', 'KILN_BUILDKITD_CONFIG'],
  ['KILN_MAX_PARALLELISM', 'KILN_BUILD_MEMORY_BYTES', 'KILN_BUILD_CPUS', 'KILN_BUILD_PIDS'],
  ['KILN_INVENTORY_EVERY_MS', 'KILN_LEASE_TTL_MS', 'KILN_SYNC_EVERY_MS', 'KILN_FENCE_MARGIN_MS'],
  ['KILN_LEADER_TTL_MS', 'KILN_TICK_MS', 'KILN_BUILD_RETENTION_DAYS', 'KILN_SEEDING'],
  ['KILN_QUEUE_TIMEOUT_SECONDS', 'KILN_HOST_GRACE_SECONDS'],
  ['KILN_OIDC_FILE', 'KILN_PUBLIC_URL', 'KILN_SESSION_HOURS', 'KILN_TRUST_PROXY', 'KILN_UNTRUSTED_PUSH'],
  ['KILN_LIMITS_FILE', 'KILN_ALLOWED_HOSTS', 'KILN_AUDIT_RETENTION_DAYS', 'KILN_STRANGER_REQUESTS_PER_MINUTE'],
  ['KILN_MAX_CONNECTIONS', 'KILN_MAX_CONNECTIONS_PER_ADDRESS', 'KILN_MAX_STREAMS_PER_CREDENTIAL'],
  ['KILN_MAX_UPLOADS_PER_CREDENTIAL', 'KILN_CLIENT_LOGINS'],
  ['KILN_BLOB_RESERVE_BYTES', 'KILN_MAX_CONTEXT_BYTES', 'KILN_MAX_CONTEXT_ENTRIES'],
  ['KILN_CONTEXT_RETENTION_HOURS', 'KILN_METRICS_LISTEN'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_SERVICE_NAME'],
  ['KILN_LIVE_LOG_BYTES', 'KILN_LIVE_LOGS_BYTES', 'KILN_LOG_RETENTION_DAYS'],
  ['KILN_ARTIFACT_RETENTION_DAYS', 'KILN_BUILD_ARCHIVE_MINUTES', 'KILN_GIT_MIRROR_BUDGET_BYTES'],
];
