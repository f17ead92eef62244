import { createHash } from 'node:crypto';

/**
 * Every key that Kiln uses, made here and nowhere else. The prefix is a hash tag, so that a cluster keeps all of them in
 * one slot and a Lua script may touch several.
 */
export class Keys {
  readonly prefix: string;

  /** `namespace` keeps several pools apart on one Redis: letters, digits, `-`. */
  constructor(namespace = 'kiln') {
    this.prefix = `{${namespace}}:`;
  }

  /**
   * Hash: rev, state, attempt, host, incarnation, cancel, doc (BuildRecord as JSON), spec (BuildSpec as JSON); where it has them:
   * identity (`<attempt>:<nonce>`); concurrency and share (digests of its keys), newer (a newer build of its concurrency key), run (the build whose run it shares),
   * team and by (whose queued and active builds it counts among).
   */
  build = (id: string) => `${this.prefix}build:${id}`;
  /** String: sealed secrets of a build. */
  secrets = (id: string) => `${this.prefix}build:${id}:secrets`;
  /** Hash: attempt → StoredDecision as JSON. */
  decisions = (id: string) => `${this.prefix}build:${id}:decisions`;
  /** Sorted set by time of acceptance (ms): builds in `queued`. */
  pending = () => `${this.prefix}pending`;
  /** Sorted set by end (ms): builds in a terminal state that are whole here, until their documents are in the blob store. */
  ended = () => `${this.prefix}ended`;
  /** Hash: build → what is left of it here once its document is in the blob store, packed. */
  history = () => `${this.prefix}history`;
  /** String: the process that moves builds to the blob store; expires. */
  historyClaim = () => `${this.prefix}history:claim`;
  /** String: builds that ended before are forgotten, all of them, ms since the epoch. */
  historyPurged = () => `${this.prefix}history:forgotten`;
  /** Sorted sets without scores, in order of id, that is of time. */
  indexAll = () => `${this.prefix}idx:all`;
  indexState = (state: string) => `${this.prefix}idx:state:${state}`;
  indexTeam = (team: string) => `${this.prefix}idx:team:${team}`;
  indexRepo = (repo: string) => `${this.prefix}idx:repo:${Keys.digest(repo)}`;
  /** String: `<build id> <fingerprint>`. */
  idempotency = (key: string) => `${this.prefix}idem:${Keys.digest(key)}`;
  /** Set by concurrency key: builds in flight that a newer one may still end. */
  concurrency = (digest: string) => `${this.prefix}concurrency:${digest}`;
  /** String: the build whose run identical ones share. */
  share = (digest: string) => `${this.prefix}share:${digest}`;
  /** Set: builds that want the run of build `id`. */
  interest = (id: string) => `${this.prefix}interest:${id}`;
  /** Set: builds that something is due for, see FollowUps. */
  due = () => `${this.prefix}due`;
  /** Stream of PoolEvent. */
  events = () => `${this.prefix}events`;
  /** Set of host names. */
  hosts = () => `${this.prefix}hosts`;
  /** Counter: the newest worker process' epoch. */
  hostEpoch = () => `${this.prefix}hosts:epoch`;
  /** Hash: report, disk, slots, accepting, incarnation, epoch, machine, lastSeenAt, left. */
  host = (name: string) => `${this.prefix}host:${name}`;
  /** String: incarnation; expires. */
  hostLease = (name: string) => `${this.prefix}host:${name}:lease`;
  /** Hash: `<build id>:<attempt>` → weight. The slots that are taken. */
  hostHeld = (name: string) => `${this.prefix}host:${name}:held`;
  /** Hash: `<build id>:<attempt>` → since when (ms, Redis' clock) the host's reports say that it doesn't run what it holds. */
  hostIdle = (name: string) => `${this.prefix}host:${name}:idle`;
  /** Hash: doc (HostInventory as JSON), its digest, readAt. */
  hostInventory = (name: string) => `${this.prefix}host:${name}:inventory`;
  /** Hash: repo → RepoUsage as JSON. */
  usages = () => `${this.prefix}usages`;
  /** Sorted set: repo by the revision that changed it last. */
  usagesChanged = () => `${this.prefix}usages:changed`;
  /** Counter: revision of the newest change. */
  usagesRevision = () => `${this.prefix}usages:revision`;
  /** Hash: what operators want of it: cordoned, drainSince, drainDeadline, removing, slots, `label:<name>`. */
  hostDesired = (name: string) => `${this.prefix}host:${name}:desired`;
  /** String: LearnedPool as JSON. */
  learnedPool = () => `${this.prefix}learned:pool`;
  /** Hash: repo → LearnedRepo as JSON. */
  learnedRepos = () => `${this.prefix}learned:repos`;
  /** Sorted set: repo by its last change there, ms. */
  learnedAt = () => `${this.prefix}learned:at`;
  /** String: owner of the scheduler's lease; expires. */
  leader = () => `${this.prefix}leader`;
  /** Counter: the number of the newest leader's fencing token; `:fence`, a string, is the whole; `:server`, a hash, is the server process that leaders know. */
  leaderToken = () => `${this.prefix}leader:token`;
  /** Stream of an attempt's log: entry `<last seq>-<count>`, field `r`: records as NDJSON. */
  log = (id: string, attempt: number) => `${this.prefix}log:${id}:${attempt}`;
  /** Sorted set by end (ms): `<build id>:<attempt>` whose log is still only in Redis. */
  unarchived = () => `${this.prefix}logs:unarchived`;
  /** Sorted set by last seq: LogPiece as JSON, a part of a live log that was moved to the blob store. */
  logPieces = (id: string, attempt: number) => `${this.prefix}log:${id}:${attempt}:pieces`;
  /** Sorted set by bytes: `<build id>:<attempt>` of logs that have records in Redis. */
  liveLogs = () => `${this.prefix}logs:live`;
  /** String: the sum of those bytes. */
  liveLogBytes = () => `${this.prefix}logs:live:bytes`;
  /** Set of `<build id>:<attempt>` whose writer waits for room. */
  waitingLogs = () => `${this.prefix}logs:waiting`;
  /** Hash: log and all, the bytes that one log, and all, may have in Redis. */
  liveLogLimits = () => `${this.prefix}logs:limits`;
  /** String: `full` or `critical` while Redis is; expires. */
  memoryLevel = () => `${this.prefix}memory:level`;
  /** String that a process holds while it moves one log; expires. */
  logClaim = (id: string, attempt: number) => `${this.prefix}log:${id}:${attempt}:claim`;
  /** Hash: token id → hash of the token. */
  tokens = () => `${this.prefix}tokens`;
  /** Hash: doc (StoredToken as JSON), usedAt. Named by the token's hash: the token itself is kept nowhere. */
  token = (hash: string) => `${this.prefix}token:${hash}`;
  /** String: Principal as JSON, under the hash of what the cookie holds; expires. */
  session = (hash: string) => `${this.prefix}session:${hash}`;
  /** Hash: `<kind> <repo> <name>` → StoredSecret as JSON. What teams have the server keep for their builds. */
  teamSecrets = (team: string) => `${this.prefix}secrets:${team}`;
  /** Hash: the same fields → the value, sealed. */
  teamSecretValues = (team: string) => `${this.prefix}secrets:${team}:values`;
  /** Hash: the same fields → when a build got it last, ms. */
  teamSecretUses = (team: string) => `${this.prefix}secrets:${team}:uses`;
  /** Set of teams that have secrets. */
  secretTeams = () => `${this.prefix}secret-teams`;
  /** Set of teams that uploaded the context, or built it; expires. */
  contextTeams = (digest: string) => `${this.prefix}context:${digest}:teams`;
  /** Streams of audit entries, field `e`: those of principals, and refusals of whom nobody knows. */
  audit = () => `${this.prefix}audit`;
  auditStrangers = () => `${this.prefix}audit:strangers`;
  /** String: id of the newest entry of both. */
  auditLast = () => `${this.prefix}audit:last`;
  /** Set of `team:<name>` and `token:<id>` for which limits are set. */
  limited = () => `${this.prefix}limits`;
  /** Hash: name of a limit → its value as JSON. */
  limits = (subject: string) => `${this.prefix}limits:${subject}`;
  /** Hash: blob key → bytes, time (ms) and teams of which it counts. */
  storageBlobs = () => `${this.prefix}storage:blobs`;
  /** Hash: team → bytes of its blobs. */
  storageUsed = () => `${this.prefix}storage:used`;
  /** Set for a while after a recount; expires. */
  storageRecount = () => `${this.prefix}storage:recount`;
  /** Sets of builds of a team, or of a credential: those that wait for a host, and those that a host has. */
  queuedOf = (subject: string) => `${this.prefix}queued:${subject}`;
  activeOf = (subject: string) => `${this.prefix}active:${subject}`;
  /** Strings: requests of the present minute; expire. The limiter adds `:<subject>`. */
  rates = () => `${this.prefix}rate`;
  /** Hashes: schedule id → StoredSchedule as JSON, with its secrets sealed; `<team>/<name>` → id; id → LastRun as JSON. */
  schedules = () => `${this.prefix}schedules`;
  scheduleNames = () => `${this.prefix}schedules:names`;
  scheduleRuns = () => `${this.prefix}schedules:runs`;
  /** Hash: name → StoredConnection as JSON, its secrets sealed. */
  connections = () => `${this.prefix}connections`;
  /** String: the delivery that one of a forge's own ids stands for; expires. */
  deliveryOf = (digest: string) => `${this.prefix}delivery:of:${digest}`;
  /** String: the first delivery with these bytes; expires. */
  deliveryOfBody = (digest: string) => `${this.prefix}delivery:body:${digest}`;
  /** Hash: doc (StoredDelivery as JSON), body (packed, until it has been read), original (see StoredDelivery); expires. */
  delivery = (id: string) => `${this.prefix}delivery:${id}`;
  /** Sorted sets without scores, in order of id, that is of time. */
  deliveries = () => `${this.prefix}deliveries`;
  deliveriesOfTeam = (team: string) => `${this.prefix}deliveries:team:${team}`;
  /** Sorted set by receipt (ms): deliveries that are still to be worked on. */
  deliveriesOpen = () => `${this.prefix}deliveries:open`;
  /** String: Subject as JSON, a branch or pull request; expires. */
  subject = (digest: string) => `${this.prefix}subject:${digest}`;
  /** String that whoever works on a subject holds; expires. */
  subjectLock = (digest: string) => `${this.prefix}subject:${digest}:lock`;
  /** Hash: doc (ReportTarget as JSON), build, fixed, sent, remote, why, gaveUp; expires. */
  report = (id: string) => `${this.prefix}report:${id}`;
  /** Hash: build → the target at which its end is still to be reported. */
  reportsOpen = () => `${this.prefix}reports:open`;
  /** Hash: id → StoredWebhook as JSON, its secret sealed. */
  webhooks = () => `${this.prefix}webhooks`;
  /** String: StoredMessage as JSON; expires. */
  message = (id: string) => `${this.prefix}message:${id}`;
  /** Sorted set by creation (ms): a webhook's messages. */
  messagesOf = (webhook: string) => `${this.prefix}webhook:${webhook}:messages`;
  /** String: written before replicas are asked whether they have all that was written before. */
  replicated = () => `${this.prefix}replicated`;
  /** BullMQ's own prefix. */
  queues = () => `${this.prefix}q`;

  /** Long or free text as a key part. */
  static digest(text: string): string {
    return createHash('sha256').update(text).digest('base64url').slice(0, 27);
  }
}
