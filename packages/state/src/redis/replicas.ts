import type { Redis } from 'ioredis';

export interface ReplicaState {
  /** Number of replicas that must have a write before it is acknowledged. */
  readonly required: number;
  /** Number of replicas connected to the master now. */
  readonly connected: number;
  /** What a failover could lose or repeat with the present settings, each as a sentence. */
  readonly problems: readonly string[];
}

export interface ReplicaSettings {
  readonly required: number;
  /** Whether Sentinel promotes a replica when the master fails. */
  readonly hasSentinel: boolean;
}

/** The highest `min-replicas-max-lag`, s, with which a master that is cut off stops before Sentinel's default of 30 s is over. */
const MOST_LAG_S = 10;

/** Reads how many replicas the master has, and checks whether its settings protect writes from a failover. */
export async function readReplicas(redis: Redis, { required, hasSentinel }: ReplicaSettings): Promise<ReplicaState> {
  const info = await redis.info('replication');
  const connected = Number(/^connected_slaves:(\d+)/m.exec(info)?.[1] ?? 0);
  const toWrite = await setting(redis, 'min-replicas-to-write');
  const maxLag = await setting(redis, 'min-replicas-max-lag');
  const matters = hasSentinel || required > 0;
  return {
    required,
    connected,
    problems: [
      ...(hasSentinel && required === 0
        ? ['KILN_REDIS_MIN_REPLICAS is 0 with Sentinel, expected at least 1: a failover may lose accepted builds']
        : []),
      ...(connected < required
        ? [`${connected} replicas are connected, expected at least ${required}: nothing is accepted meanwhile`]
        : []),
      ...(matters && toWrite === 0
        ? [
            'min-replicas-to-write is 0, expected at least 1: a master that is cut off from its replicas keeps accepting writes beside the next one',
          ]
        : []),
      ...(matters && toWrite !== undefined && toWrite > 0 && maxLag !== undefined && maxLag > MOST_LAG_S
        ? [
            `min-replicas-max-lag is ${maxLag}, expected at most ${MOST_LAG_S}: a master that is cut off keeps accepting writes for too long`,
          ]
        : []),
    ],
  };
}

/** A numeric setting; undefined if CONFIG is forbidden, as with hosted Redis. */
async function setting(redis: Redis, name: string): Promise<number | undefined> {
  const answer = (await redis.config('GET', name).catch(() => [])) as string[];
  return answer[1] === undefined ? undefined : Number(answer[1]);
}
