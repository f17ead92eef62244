import { FORGES, ROUTES } from '@kiln/contracts';
import {
  BUILDER_ACTIONS,
  BUILDER_STATES,
  CACHE_MODES,
  CREATOR_KINDS,
  type DecisionReason,
  EVICTION_REASONS,
  FAILURE_CODES,
  TERMINAL_STATES,
} from '@kiln/domain';
import { counter, gauge, histogram, type MetricDefinition } from './definition.ts';

/** Seconds that a build waits or runs: from one that is cached as a whole to hours. */
const BUILD_SECONDS = [0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1200, 2400, 3600, 7200];
/** Seconds of requests, calls and passes. */
const CALL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SHARES = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

const CODES = ['none', ...FAILURE_CODES] as const;

/** How many teams have a series of their own: anyone who can create tokens or log in by OIDC could add more. */
const MAX_TEAMS = 50;

/** Reasons for which a build gets a host. */
const PLACED_REASONS = [
  'warm',
  'partly_warm',
  'cold',
  'cold_sooner',
  'spread',
  'waited_enough',
] as const satisfies readonly DecisionReason[];

/** States of a host, of which each host has the first that applies. */
const HOST_STATES = ['lost', 'draining', 'cordoned', 'unavailable', 'ready'] as const;

/** Codes with which Redis begins an error that Kiln knows. */
export const REDIS_ERROR_CODES = [
  'OOM',
  'READONLY',
  'NOREPLICAS',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'BUSY',
  'NOAUTH',
  'NOPERM',
  'WRONGPASS',
  'UNKILLABLE',
  'ERR',
] as const;

/**
 * Every metric of Kiln, by name. The table in docs/operate/metrics.md is generated from this list. Names and units are those of Prometheus'
 * conventions. No label names a build, a repo or a host: of those there may be any number, and a scraped process already has its address.
 */
export const METRICS = {
  kiln_version_info: gauge('all', 'Always 1; the version that the process runs.', {
    version: { atMost: 1, what: 'Kiln’s version' },
  }),

  kiln_builds_accepted_total: counter('api', 'Builds accepted.', {
    trigger: [...CREATOR_KINDS, 'unknown'],
    mode: CACHE_MODES,
  }),
  kiln_builds_ended_total: counter(
    'all',
    'Builds that have ended, counted by the process that wrote their end. `code` is the failure code, `none` for a success.',
    { state: TERMINAL_STATES, code: CODES },
  ),
  kiln_attempts_ended_total: counter(
    'all',
    'Attempts that have ended, counted by the process that wrote their end. Attempts that end as `lost` are repeated.',
    { end: [...TERMINAL_STATES, 'lost'], code: CODES },
  ),
  kiln_build_duration_seconds: histogram(
    'all',
    'Time from the start of a build’s last attempt to its end.',
    BUILD_SECONDS,
    { state: TERMINAL_STATES },
  ),
  kiln_build_steps_total: counter('all', 'Steps of ended builds.', { cached: ['true', 'false'] }),

  kiln_scheduler_leader: gauge(
    'scheduler',
    '1 if this scheduler leads. The other metrics of the queue, hosts and slots are 0 or missing if it doesn’t.',
  ),
  kiln_builds_queued: gauge('scheduler', 'Builds that wait for a host. Only of the leader.'),
  kiln_builds_withheld: gauge(
    'scheduler',
    'Waiting builds whose team or token runs as many builds as it may. Only of the leader.',
    {
      reason: ['team_limit', 'token_limit'],
    },
  ),
  kiln_builds_queued_by_team: gauge('scheduler', 'Builds that wait for a host, by team. Only of the leader.', {
    team: { atMost: MAX_TEAMS, what: 'teams' },
  }),
  kiln_builds_queued_oldest_age_seconds: gauge(
    'scheduler',
    'How long the oldest waiting build has waited. Only of the leader.',
  ),
  kiln_builds_running: gauge('scheduler', 'Builds that have a host. Only of the leader.'),
  kiln_build_wait_seconds: histogram('scheduler', 'Time from queueing a build until it got a host.', BUILD_SECONDS),
  kiln_placements_total: counter('scheduler', 'Builds that got a host, by the reason of the decision.', {
    reason: PLACED_REASONS,
  }),
  kiln_placement_warmth_ratio: histogram(
    'scheduler',
    'Share of the repo’s caches that the chosen host had, 0 to 1.',
    SHARES,
  ),
  kiln_placement_pass_duration_seconds: histogram(
    'scheduler',
    'Duration of a pass over the waiting builds.',
    CALL_SECONDS,
  ),
  kiln_scheduler_failures_total: counter('scheduler', 'Parts of the leader’s rounds that failed and are repeated.'),
  kiln_attempts_reclaimed_total: counter(
    'scheduler',
    'Attempts taken back from hosts that were lost, or did not run them.',
    {
      cause: ['host_lost', 'idle'],
    },
  ),
  kiln_hosts: gauge('scheduler', 'Hosts by state. Only of the leader.', { state: HOST_STATES }),
  kiln_hosts_low_disk: gauge(
    'scheduler',
    'Hosts that take no builds because too little disk is free. Only of the leader.',
  ),
  kiln_slots: gauge(
    'scheduler',
    'Slots of live hosts: `used`, `free`, or `unavailable` because their host takes no builds. Only of the leader.',
    {
      state: ['used', 'free', 'unavailable'],
    },
  ),
  kiln_seeds_ordered_total: counter('scheduler', 'Copies of caches to colder hosts that were ordered.', {
    cause: ['build', 'moving'],
  }),
  kiln_seeds_ended_total: counter('scheduler', 'Such copies that have ended.', { result: ['arrived', 'failed'] }),
  kiln_seeds_in_progress: gauge('scheduler', 'Such copies under way. Only of the leader.'),

  kiln_worker_slots: gauge('worker', 'Slots of the host, by its worker’s settings.'),
  kiln_worker_builds_running: gauge('worker', 'Attempts that run on the host.'),
  kiln_worker_report_duration_seconds: histogram(
    'worker',
    'Duration of an accepted report to the pool, which renews the host’s lease.',
    CALL_SECONDS,
  ),
  kiln_worker_report_failures_total: counter('worker', 'Reports to the pool that failed; they are repeated.'),
  kiln_worker_fences_total: counter(
    'worker',
    'Times that all builds were killed because the lease could not be renewed.',
  ),
  kiln_disk_size_bytes: gauge('worker', 'Size of the file system with the worker’s data.'),
  kiln_disk_free_bytes: gauge('worker', 'What is free of it.'),
  kiln_working_trees_bytes: gauge('worker', 'What working trees take of it.'),
  kiln_git_mirrors_bytes: gauge('worker', 'What mirrors of git repositories take of it.'),
  kiln_cache_bytes: gauge('worker', 'What BuildKit’s caches take, of all builders of the host, by their last reading.'),
  kiln_cache_budget_bytes: gauge('worker', 'What they may take.'),
  kiln_cache_evictions_total: counter('worker', 'Caches evicted.', { reason: EVICTION_REASONS }),
  kiln_cache_evicted_bytes_total: counter('worker', 'Bytes of caches evicted.', { reason: EVICTION_REASONS }),
  kiln_builders_away: gauge(
    'worker',
    'Builders of isolation domains that don’t answer or are being repaired, and take no builds.',
  ),
  kiln_builder_incidents_total: counter('worker', 'What was wrong with a builder, and what was done about it.', {
    state: BUILDER_STATES,
    action: BUILDER_ACTIONS,
  }),
  kiln_host_tasks_total: counter('worker', 'Tasks of the host that have ended: drop, save and seed caches.', {
    type: ['drop', 'save', 'seed'],
    result: ['succeeded', 'failed'],
  }),
  kiln_log_written_records_total: counter('worker', 'Log records that Redis has accepted.'),
  kiln_log_write_duration_seconds: histogram(
    'worker',
    'Time until Redis has accepted a batch of log records.',
    CALL_SECONDS,
  ),
  kiln_log_write_failures_total: counter(
    'worker',
    'Batches of log records that Redis did not take; they are repeated.',
  ),

  kiln_http_request_duration_seconds: histogram(
    'api',
    'Duration of HTTP requests until the answer was sent, by route. Log streams count until they end. `status` is the class; `cut_off` if the client left before.',
    CALL_SECONDS,
    {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      route: [...new Set(Object.values(ROUTES).map(({ path }) => path as string))],
      status: ['1xx', '2xx', '3xx', '4xx', '5xx', 'cut_off'],
    },
  ),
  kiln_http_requests_in_progress: gauge('api', 'HTTP requests being answered, log streams included.'),
  kiln_log_readers: gauge('api', 'Live logs that this process reads for at least one watcher.'),
  kiln_log_delivery_delay_seconds: histogram(
    'api',
    'Time from a log record on its host until the API has it for watchers, of the first record of each batch. Includes the difference of both clocks.',
    CALL_SECONDS,
  ),
  kiln_log_pieces_moved_total: counter('api', 'Pieces of growing logs moved from Redis to the blob store.'),
  kiln_log_move_failures_total: counter(
    'api',
    'Pieces and ended logs that could not be moved to the blob store; they are repeated.',
    {
      what: ['piece', 'log'],
    },
  ),
  kiln_logs_archived_total: counter('api', 'Ended logs moved to the blob store.'),
  kiln_webhook_deliveries_total: counter('api', 'Webhooks of forges that were processed.', {
    forge: FORGES,
    result: ['done', 'failed'],
  }),
  kiln_webhook_delivery_duration_seconds: histogram(
    'api',
    'Time from receiving a forge’s webhook until it was processed.',
    BUILD_SECONDS,
  ),
  kiln_webhook_messages_total: counter('api', 'Tries to send a message to a webhook of Kiln’s own; `dead`: given up.', {
    result: ['delivered', 'failed', 'dead'],
  }),
  kiln_status_reports_total: counter('api', 'Tries to report a status to a forge.', {
    result: ['sent', 'failed', 'given_up'],
  }),
  kiln_redis_memory_used_bytes: gauge('api', 'Memory that Redis uses.'),
  kiln_redis_memory_max_bytes: gauge('api', 'What it may use: `maxmemory`, else the memory of its machine.'),
  kiln_redis_memory_level: gauge(
    'api',
    '0: there is room; 1: nothing new is accepted; 2: waiting builds are not started either.',
  ),
  kiln_live_log_bytes: gauge('api', 'What live logs take of Redis’ memory.'),
  kiln_live_log_writers_waiting: gauge('api', 'Builds held up because their log has no room in Redis.'),

  kiln_redis_command_duration_seconds: histogram(
    'all',
    'Time until Redis has answered a command, waiting for a connection included. Commands that block on purpose are left out.',
    CALL_SECONDS,
  ),
  kiln_redis_errors_total: counter('all', 'Commands that Redis refused, by the code of the error.', {
    code: REDIS_ERROR_CODES,
  }),
  kiln_redis_connection_errors_total: counter('all', 'Connections to Redis that were lost or could not be made.'),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
type Named<T extends MetricDefinition['type']> = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never;
}[MetricName];
export type CounterName = Named<'counter'>;
export type GaugeName = Named<'gauge'>;
export type HistogramName = Named<'histogram'>;

/** The labels of a metric, each with its value. */
export type LabelsOf<N extends MetricName> = { readonly [L in keyof (typeof METRICS)[N]['labels']]: string };
