import type { PoolEvent } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import { ContextTeams } from './access/context-teams.ts';
import { SessionStore } from './access/session-store.ts';
import { TokenStore } from './access/token-store.ts';
import { AuditLog } from './audit/audit-log.ts';
import { AttemptStore } from './builds/attempt-store.ts';
import { BuildStore, DEFAULT_SECRET_TTL_MS } from './builds/build-store.ts';
import { FollowUps } from './builds/follow-ups.ts';
import { PendingStore } from './builds/pending-store.ts';
import { CacheReferences } from './caches/cache-references.ts';
import { EvictionStore } from './caches/eviction-store.ts';
import { ModeDefaults } from './caches/mode-defaults.ts';
import { SavingStore } from './caches/saving-store.ts';
import { HistoryStore } from './history/history-store.ts';
import { ConnectionStore } from './hooks/connection-store.ts';
import { DeliveryStore } from './hooks/delivery-store.ts';
import { ReportStore } from './hooks/report-store.ts';
import { SubjectStore } from './hooks/subject-store.ts';
import { WebhookStore } from './hooks/webhook-store.ts';
import { HostOperations } from './hosts/host-operations.ts';
import { HostStore } from './hosts/host-store.ts';
import { LimitStore } from './limits/limit-store.ts';
import { RequestRates } from './limits/request-rates.ts';
import { LogStore } from './logs/log-store.ts';
import { LearnedStore } from './placement/learned-store.ts';
import { AttemptQueues } from './queue/attempt-queue.ts';
import { HookQueues } from './queue/hook-queues.ts';
import { connectRedis, isSentinel } from './redis/connect.ts';
import { type Diagnosis, diagnose } from './redis/diagnose.ts';
import { consumeEvents, type EventGroupOptions } from './redis/event-group.ts';
import { createKeys, type Keys } from './redis/keys.ts';
import { Memory } from './redis/memory.ts';
import { observeState, type StateObserver } from './redis/observer.ts';
import { PoolEvents } from './redis/pool-events.ts';
import { type ReplicaState, readReplicas } from './redis/replicas.ts';
import { Replication } from './redis/replication.ts';
import { Resealer } from './reseal.ts';
import { ScheduleClock } from './schedules/schedule-clock.ts';
import { ScheduleStore } from './schedules/schedule-store.ts';
import { BuildSecretReader } from './secrets/build-secrets.ts';
import { Sealer } from './secrets/sealer.ts';
import { SecretStore } from './secrets/secret-store.ts';
import { StorageLedger } from './storage/storage-ledger.ts';
import { TreeLocks } from './storage/tree-locks.ts';
import { HostTasks } from './tasks/host-tasks.ts';

export interface StateOptions {
  /** See `redisOptions` for the forms. */
  readonly redisUrl: string;
  /** Keeps several pools apart on one Redis. */
  readonly namespace: string;
  /** 32 bytes, the same for every process of the pool. Of several, the first one seals and all of them open. */
  readonly secretKey: Buffer | readonly Buffer[];
  readonly secretTtlMs?: number;
  /** Number of replicas that must have acceptances, cancels, leases, and starts and ends of attempts before they are acknowledged. Default: 0. */
  readonly minReplicas?: number;
  /** How long replicas may take, ms. */
  readonly replicaTimeoutMs?: number;
  /** Called with connection errors; connections recover by themselves. */
  onError(error: Error): void;
  readonly observer?: StateObserver;
  readonly now?: () => number;
}

/** Everything that the pool stores in Redis, over one connection and others for blocking commands. */
export interface State extends AsyncDisposable {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly replication: Replication;
  /** Seals with the pool's first key. */
  readonly sealer: Sealer;
  readonly builds: BuildStore;
  readonly history: HistoryStore;
  readonly attempts: AttemptStore;
  readonly pending: PendingStore;
  readonly followUps: FollowUps;
  readonly learned: LearnedStore;
  readonly hosts: HostStore;
  readonly hostOperations: HostOperations;
  readonly tasks: HostTasks;
  readonly cacheReferences: CacheReferences;
  readonly modeDefaults: ModeDefaults;
  readonly savings: SavingStore;
  readonly evictions: EvictionStore;
  readonly tokens: TokenStore;
  readonly sessions: SessionStore;
  readonly contextTeams: ContextTeams;
  readonly secrets: SecretStore;
  readonly buildSecrets: BuildSecretReader;
  readonly resealer: Resealer;
  readonly audit: AuditLog;
  readonly limits: LimitStore;
  readonly rates: RequestRates;
  readonly storage: StorageLedger;
  readonly treeLocks: TreeLocks;
  readonly logs: LogStore;
  readonly memory: Memory;
  readonly schedules: ScheduleStore;
  readonly queues: AttemptQueues;
  readonly connections: ConnectionStore;
  readonly deliveries: DeliveryStore;
  readonly subjects: SubjectStore;
  readonly reports: ReportStore;
  readonly webhooks: WebhookStore;
  readonly hookQueues: HookQueues;
  /** Consumes events as one process of a group, see event-group.ts. */
  consumeEvents(options: EventGroupOptions, handle: (event: PoolEvent) => Promise<void>): AsyncDisposable;
  readonly events: PoolEvents;
  /** Reads the master's replicas, and what a failover could lose with the present settings. */
  replicas(): Promise<ReplicaState>;
  /** Reads settings and state of Redis, and compares clocks. @param hosts whose clocks are compared with Redis' */
  diagnose(hosts: Parameters<typeof diagnose>[2]): Promise<Diagnosis>;
  /** Returns settings of this Redis that would lose builds, each as a sentence. */
  unfitness(): Promise<string[]>;
}

/** Connects, waits until Redis answers, and starts reading the pool's events. */
export async function openState(options: StateOptions): Promise<State> {
  const { namespace, secretKey, onError, now = Date.now } = options;
  const redis = connectRedis(options.redisUrl, onError);
  if (options.observer) observeState(redis, options.observer);
  const keys = createKeys(namespace);
  const { secretTtlMs = DEFAULT_SECRET_TTL_MS } = options;
  const followUps = new FollowUps(redis, keys, { now, secretTtlMs });
  const queues = new AttemptQueues(redis, keys);
  const events = await PoolEvents.open(redis, keys);
  const replication = new Replication(redis, keys, {
    minReplicas: options.minReplicas ?? 0,
    ...(options.replicaTimeoutMs !== undefined && { timeoutMs: options.replicaTimeoutMs }),
  });
  const hosts = new HostStore(redis, keys, now, replication);
  const sealer = new Sealer(secretKey);
  const clock = new ScheduleClock(redis, keys);
  const hookQueues = new HookQueues(redis, keys);
  const replicas = () =>
    readReplicas(redis, { required: replication.minReplicas, hasSentinel: isSentinel(options.redisUrl) });
  return {
    redis,
    keys,
    replication,
    sealer,
    builds: new BuildStore({ redis, keys, sealer, followUps, replication, now, secretTtlMs }),
    history: new HistoryStore(redis, keys, now),
    attempts: new AttemptStore(redis, keys, { now, secretTtlMs, replication }),
    pending: new PendingStore(redis, keys, now, secretTtlMs),
    learned: new LearnedStore(redis, keys, now),
    followUps,
    hosts,
    hostOperations: new HostOperations(redis, keys, hosts, queues),
    tasks: new HostTasks(redis, keys, now),
    cacheReferences: new CacheReferences(redis, keys),
    modeDefaults: new ModeDefaults(redis, keys),
    savings: new SavingStore(redis, keys),
    evictions: new EvictionStore(redis, keys),
    tokens: new TokenStore(redis, keys, now),
    sessions: new SessionStore(redis, keys),
    contextTeams: new ContextTeams(redis, keys),
    secrets: new SecretStore({ redis, keys, sealer, now }),
    buildSecrets: new BuildSecretReader(redis, keys, sealer, now),
    resealer: new Resealer(redis, keys, sealer),
    audit: new AuditLog(redis, keys),
    limits: new LimitStore(redis, keys),
    rates: new RequestRates(redis, keys),
    storage: new StorageLedger(redis, keys, now),
    treeLocks: new TreeLocks(redis, keys),
    logs: new LogStore(redis, keys),
    memory: new Memory(redis, keys),
    schedules: new ScheduleStore(redis, keys, { sealer, clock, now }),
    queues,
    connections: new ConnectionStore(redis, keys, sealer),
    deliveries: new DeliveryStore(redis, keys, now),
    subjects: new SubjectStore(redis, keys),
    reports: new ReportStore(redis, keys),
    webhooks: new WebhookStore(redis, keys, sealer, now),
    hookQueues,
    consumeEvents: (options, handle) => consumeEvents(redis, keys, options, handle),
    events,
    replicas,
    diagnose: (compared) => diagnose(redis, keys, compared, now),
    unfitness: async () => [...(await unfitness(redis)), ...(await replicas()).problems],
    async [Symbol.asyncDispose]() {
      await events[Symbol.asyncDispose]();
      await replication[Symbol.asyncDispose]();
      await queues[Symbol.asyncDispose]();
      await clock[Symbol.asyncDispose]();
      await hookQueues[Symbol.asyncDispose]();
      redis.disconnect();
    },
  };
}

/** The first version in which scripts declare whether they run while Redis is full. */
const LEAST_REDIS = 7;

/** Checks Redis' settings, as far as CONFIG isn't forbidden, as it is with hosted Redis. */
async function unfitness(redis: Redis): Promise<string[]> {
  const setting = async (name: string) => {
    const answer = (await redis.config('GET', name).catch(() => [])) as string[];
    return answer[1];
  };
  const policy = await setting('maxmemory-policy');
  const version = /^redis_version:((\d+)\.\S*)/m.exec(await redis.info('server').catch(() => ''));
  const appendOnly = await setting('appendonly');
  return [
    ...(version && Number(version[2]) < LEAST_REDIS
      ? [`its version is ${version[1]}, expected ${LEAST_REDIS}.0 or later: Kiln’s scripts don’t run`]
      : []),
    ...(policy !== undefined && policy !== 'noeviction'
      ? [`maxmemory-policy is ${policy}, expected noeviction: Redis may throw builds away`]
      : []),
    ...(appendOnly === 'no' ? ['appendonly is no, expected yes: a restart of Redis loses accepted builds'] : []),
  ];
}
