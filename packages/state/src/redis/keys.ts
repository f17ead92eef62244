import { hash, type KeyMaker, type KeySpec, keyMaker, list, set, sortedSet, stream, string } from './key-schema.ts';

// Every Redis key that Kiln uses. docs/develop/redis-keys.md is generated from this: npm run docs

const builds = {
  build: hash<[id: string]>(
    'build:<id>',
    'A build. `rev`, `state`, `attempt`, `host`, `incarnation`, `identity` (`<attempt>:<nonce>`), `cancel`; `doc` (its record) and `spec` (its request) as JSON. If set: `concurrency` and `share` (digests of these keys), `newer` (a newer build of its concurrency key), `run` (the build whose run it shares), `team` and `by` (the team and submitter whose limits it counts towards)',
  ),
  secrets: string<[id: string]>(
    'build:<id>:secrets',
    'The build’s secrets, sealed with AES-256-GCM',
    'a day after the build’s end',
  ),
  logins: string<[id: string]>(
    'build:<id>:logins',
    'The registry logins that the build’s client sent, sealed with AES-256-GCM; deleted when it ends',
  ),
  decisions: hash<[id: string]>(
    'build:<id>:decisions',
    'Placement decisions as JSON: attempt → the decision; `<attempt>:wait` → why it last waited',
  ),
  pending: sortedSet('pending', 'Queued builds, by the time of acceptance (ms)'),
  ended: sortedSet('ended', 'Ended builds that are still whole in Redis, by their end (ms)'),
  indexAll: sortedSet('idx:all', 'All builds, in the order of their ids, which is that of time'),
  indexState: sortedSet<[state: string]>('idx:state:<state>', 'Builds in a state, in the order of their ids'),
  indexTeam: sortedSet<[team: string]>('idx:team:<team>', 'Builds of a team, in the order of their ids'),
  indexRepo: sortedSet<[repo: string]>('idx:repo:<digest of repo>', 'Builds of a repo, in the order of their ids'),
  idempotency: string<[key: string]>(
    'idem:<digest of key>',
    'The build that an idempotency key stands for: `<build id> <fingerprint of the request>`',
    'after a day',
  ),
  concurrency: set<[digest: string]>(
    'concurrency:<digest>',
    'Builds in flight of a concurrency key, which a newer one may still supersede',
  ),
  share: string<[digest: string]>('share:<digest>', 'The build whose run identical builds share'),
  interest: set<[id: string]>('interest:<id>', 'Builds that want the run of this build'),
  due: set('due', 'Builds whose end another build has decided, to be ended by `FollowUps`'),
};

const history = {
  history: hash('history', 'What stays of builds whose documents are in the blob store: build → packed record'),
  historyClaim: string('history:claim', 'The API process that archives builds', 'a minute after its last renewal'),
  historyPurged: string('history:forgotten', 'The time (ms) up to which all ended builds have been purged'),
};

const events = {
  events: stream('events', 'What has changed in the pool. Events only point to records; about 20,000 are kept'),
};

const hosts = {
  hosts: set('hosts', 'Names of the hosts'),
  host: hash<[name: string]>(
    'host:<name>',
    'A host: `report` and `disk` as JSON, `slots`, `accepting`, `incarnation`, `epoch`, `machine`, `lastSeenAt`, `left`, `moves` (how far its caches have moved since it is drained), and what else its worker reported',
  ),
  hostLease: string<[name: string]>(
    'host:<name>:lease',
    'The incarnation that holds the host’s lease',
    'unless a report renews it',
  ),
  hostHeld: hash<[name: string]>('host:<name>:held', 'Taken slots: `<build>:<attempt>` → weight'),
  hostIdle: hash<[name: string]>(
    'host:<name>:idle',
    'Attempts that the host holds but reports not to run: `<build>:<attempt>` → since when (ms, by Redis’ clock)',
  ),
  hostInventory: hash<[name: string]>(
    'host:<name>:inventory',
    'What the host’s caches contain: `doc` as JSON, its `digest`, and `readAt`',
  ),
  hostSavings: hash<[name: string]>(
    'host:<name>:savings',
    'What caches saved builds on the host: cache key → `<hits> <ms> <end of the last build>`; at most 300',
  ),
  hostEvictions: list<[name: string]>(
    'host:<name>:evictions',
    'The last 500 caches that the host has evicted, as JSON, the newest first',
  ),
  hostTasks: sortedSet<[name: string]>('host:<name>:tasks', 'Open tasks of the host, by their creation (ms)'),
  hostDesired: hash<[name: string]>(
    'host:<name>:desired',
    'Operators’ orders: `cordoned`, `drainSince`, `drainDeadline`, `removing`, `slots`, `label:<name>`',
  ),
  hostPast: set<[name: string]>(
    'host:<name>:past',
    'Incarnations without an epoch that were replaced and may not come back',
    'after a day',
  ),
  hostRemoved: set<[name: string]>(
    'host:<name>:removed',
    'Incarnations without an epoch that were removed and may not come back',
    'after a day',
  ),
  task: hash<[id: string]>(
    'task:<id>',
    'A task of a host: `doc` (its order) as JSON, `host`, `type`, `state`, `incarnation` of the worker that runs it, `startedAt`, `progress`, and at its end `result` or `failure`, and `endedAt`',
    'a day after its end',
  ),
  tasks: sortedSet('tasks', 'All tasks, by their creation (ms)'),
  hostEpoch: string('hosts:epoch', 'The epoch of the newest worker process'),
  hostsRemoved: hash('hosts:removed', 'Removed hosts: name → the epoch of its last worker'),
  hostsDeparted: hash(
    'hosts:departed',
    'Hosts whose worker left in order: name → time (ms) and its last report as JSON',
    'an hour after the last one left',
  ),
};

const placement = {
  cacheReferences: hash(
    'caches:references',
    'References in registries that Kiln has written caches to: team and reference → last use (ms), repo and trust class as JSON; at most 10,000',
  ),
  cacheRegistries: hash('caches:registries', 'Registries that delete no manifests → time (ms) of the last refusal'),
  cacheCleaning: string('caches:cleaning', 'The last scheduled cleaning of registries', 'half of its interval'),
  cacheModes: hash<[team: string]>(
    'caches:modes:<team>',
    'The default cache modes of a team’s repos: repo → mode, setAt (ms) and setBy as JSON; at most 1,000',
  ),
  archives: hash<[cacheKey: string]>(
    'archives:<digest of cache key>',
    'Archives of a repo’s caches: their key → root, bytes and savedAt (ms) as JSON; at most 50',
    '30 days after the last one was saved',
  ),
  usages: hash('usages', 'What recent builds used of caches: cache key → usage as JSON; at most 10,000'),
  usagesChanged: sortedSet('usages:changed', 'Cache keys by the revision that changed their usage last'),
  usagesRevision: string('usages:revision', 'The newest such revision'),
  learnedPool: string('learned:pool', 'What placement has learned of the whole pool, as JSON'),
  learnedRepos: hash('learned:repos', 'What it has learned of repos: cache key → JSON; at most 10,000'),
  learnedAt: sortedSet('learned:at', 'Those cache keys by the time of their last change (ms)'),
};

const schedulers = {
  leader: string('leader', 'The scheduler that leads', 'unless it is renewed'),
  leaderToken: string('leader:token', 'The number of the newest fencing token'),
  leaderFence: string('leader:token:fence', 'The whole token, `<number>-<random>`'),
  leaderServer: hash(
    'leader:token:server',
    'The Redis server process that leaders know: `run`, and `since` when it answers',
  ),
};

const logs = {
  log: stream<[id: string, attempt: number]>(
    'log:<id>:<attempt>',
    'The records of a live log that aren’t in pieces yet: entry `<last number>-<count>`, field `r` with NDJSON',
    'a minute after it was archived',
  ),
  logPieces: sortedSet<[id: string, attempt: number]>(
    'log:<id>:<attempt>:pieces',
    'Its pieces in the blob store as JSON, by their last record',
    'a minute after it was archived',
  ),
  logClaim: string<[id: string, attempt: number]>(
    'log:<id>:<attempt>:claim',
    'The API process that moves it to the blob store',
    '15 s after its last renewal',
  ),
  liveLogs: sortedSet('logs:live', 'Live logs, `<build>:<attempt>`, by the bytes that they have in Redis'),
  liveLogBytes: string('logs:live:bytes', 'The sum of those bytes'),
  liveLogLimits: hash('logs:limits', 'How many bytes one live log, and all of them, may have in Redis: `log`, `all`'),
  waitingLogs: set('logs:waiting', 'Live logs, `<build>:<attempt>`, whose writer waits for room'),
  unarchived: sortedSet('logs:unarchived', 'Ended logs that aren’t archived yet, by their end (ms)'),
};

const access = {
  tokens: hash('tokens', 'Token id → SHA-256 of the token'),
  token: hash<[hash: string]>(
    'token:<hash>',
    'A token under its SHA-256: `doc` as JSON, `usedAt`. The token itself isn’t stored',
  ),
  session: string<[hash: string]>(
    'session:<hash>',
    'The principal of a session of a browser or `kiln login` as JSON, under the SHA-256 of its secret',
    'with the session',
  ),
  contextTeams: set<[digest: string]>(
    'context:<digest>:teams',
    'Teams that uploaded or built a context, and may name it',
    'no earlier than the context',
  ),
  audit: stream('audit', 'Audit entries; their ids follow on each other over both streams'),
  auditStrangers: stream('audit:strangers', 'Refusals of callers without an identity; the newest 100,000'),
  auditLast: string('audit:last', 'The id of the newest audit entry'),
};

const secrets = {
  teamSecrets: hash<[team: string]>('secrets:<team>', '`<kind> <repo> <name>` → the secret’s description as JSON'),
  teamSecretValues: hash<[team: string]>('secrets:<team>:values', 'The same fields → the value, sealed'),
  teamSecretUses: hash<[team: string]>('secrets:<team>:uses', 'The same fields → when a build last got it (ms)'),
  secretTeams: set('secret-teams', 'Teams that have secrets'),
};

const limits = {
  limited: set('limits', 'Subjects with limits of their own: `team:<name>`, `token:<id>`'),
  limits: hash<[subject: string]>('limits:<subject>', 'Their limits: name → value as JSON'),
  queuedOf: set<[subject: string]>('queued:<subject>', 'Waiting builds of a team or token'),
  activeOf: set<[subject: string]>('active:<subject>', 'Its builds that a host has'),
  rate: string<[subject: string]>(
    'rate:<subject>',
    'Requests of a team or token in the current minute',
    'with the minute',
  ),
  storageBlobs: hash(
    'storage:blobs',
    'Blob key, or `trees/<team>` for all objects of a team’s trees → bytes, time (ms), and the teams that it counts for',
  ),
  storageUsed: hash('storage:used', 'Team → the sum of these bytes'),
  treeLock: string<[team: string]>(
    'trees:<team>:lock',
    'The process that deletes or replaces old objects of a team’s trees',
    '15 s after its last renewal',
  ),
  treeSweep: string('trees:swept', 'Set while no process needs to sweep trees', 'when the next sweep is due'),
  storageRecount: string('storage:recount', 'Set while no other process needs to recount', 'when the next one is due'),
  memoryLevel: string('memory:level', '`full` or `critical` while Redis is', 'after 15 s without a renewal'),
  replicated: string('replicated', 'Written before replicas are asked whether they have every earlier write'),
};

const schedules = {
  schedules: hash('schedules', 'Schedule id → schedule as JSON, its secrets sealed'),
  scheduleNames: hash('schedules:names', '`<team>/<name>` → schedule id'),
  scheduleRuns: hash('schedules:runs', 'Schedule id → its last run as JSON'),
};

const webhooks = {
  connections: hash('connections', 'Forge connections: name → JSON, its secrets sealed'),
  delivery: hash<[id: string]>(
    'delivery:<id>',
    'An incoming webhook: `doc` as JSON; `body` packed, until it was processed; `original`, the delivery that it repeats',
    'after a week',
  ),
  deliveryOf: string<[digest: string]>(
    'delivery:of:<digest>',
    'The delivery of a connection and the forge’s own id',
    'after a week',
  ),
  deliveryOfBody: string<[digest: string]>(
    'delivery:body:<digest>',
    'The first delivery with these bytes',
    'after 30 days',
  ),
  deliveries: sortedSet('deliveries', 'Deliveries, in the order of their ids, which is that of time'),
  deliveriesOfTeam: sortedSet<[team: string]>('deliveries:team:<team>', 'A team’s deliveries, in that order'),
  deliveriesOpen: sortedSet('deliveries:open', 'Deliveries that aren’t processed yet, by their receipt (ms)'),
  subject: string<[digest: string]>(
    'subject:<digest>',
    'A branch or pull request as JSON: its newest event and its builds',
    'after 30 days',
  ),
  subjectRetries: sortedSet<[id: string]>(
    'subject:<digest>:retries',
    'The newest retries of a pull request’s builds, by their acceptance (ms)',
    'after 30 days',
  ),
  subjectLock: string<[digest: string]>(
    'subject:<digest>:lock',
    'The process that accepts builds of the subject',
    'soon after that process died',
  ),
  report: hash<[id: string]>(
    'report:<id>',
    'A status line at a commit: `doc` as JSON, its newest `build`, and what was sent to the forge',
    'after 30 days',
  ),
  reportsOpen: hash('reports:open', 'Build → the status line that its end is still to be reported to'),
  reportOf: string<[build: string]>(
    'report-of:<build>',
    'The status line to which the build is reported, or was',
    'after 30 days',
  ),
  webhooks: hash('webhooks', 'Outgoing webhooks: id → JSON, its secret sealed'),
  message: string<[id: string]>('message:<id>', 'A message to a webhook as JSON', 'after 30 days'),
  messagesOf: sortedSet<[webhook: string]>(
    'webhook:<webhook>:messages',
    'A webhook’s messages by their creation (ms)',
    '30 days after the last one',
  ),
};

/** All keys, by topic. */
export const KEY_GROUPS: Readonly<Record<string, Readonly<Record<string, KeySpec>>>> = {
  Builds: builds,
  'Ended builds': history,
  Events: events,
  Hosts: hosts,
  'Caches and placement': placement,
  Schedulers: schedulers,
  'Live logs': logs,
  Access: access,
  'Stored secrets': secrets,
  'Limits and storage': limits,
  Schedules: schedules,
  Webhooks: webhooks,
};

type Specs = typeof builds &
  typeof history &
  typeof events &
  typeof hosts &
  typeof placement &
  typeof schedulers &
  typeof logs &
  typeof access &
  typeof secrets &
  typeof limits &
  typeof schedules &
  typeof webhooks;

/** Makes every key that Kiln uses. The prefix is a hash tag: a cluster keeps all of a pool's keys in one slot, so a script may touch several. */
export type Keys = { readonly [Name in keyof Specs]: KeyMaker<Specs[Name]> } & {
  readonly prefix: string;
  /** BullMQ's own prefix. */
  readonly queues: () => string;
};

/** @param namespace keeps several pools apart on one Redis: letters, digits, `-` */
export function createKeys(namespace = 'kiln'): Keys {
  const prefix = `{${namespace}}:`;
  const specs = Object.values(KEY_GROUPS).flatMap((group) => Object.entries(group));
  const makers = Object.fromEntries(specs.map(([name, spec]) => [name, keyMaker(prefix, spec)]));
  return { ...makers, prefix, queues: () => `${prefix}q` } as unknown as Keys;
}
