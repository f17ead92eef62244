import type { Redis } from 'ioredis';

export interface ReplicaState {
  /** Replicas that must have what is acknowledged. */
  readonly required: number;
  /** Replicas that are connected to the master now. */
  readonly connected: number;
  /** What a failover could lose or do twice by the present settings, each as a sentence. */
  readonly problems: readonly string[];
}

export interface ReplicaSettings {
  readonly required: number;
  /** Whether Sentinel puts a replica in the master's place. */
  readonly hasSentinel: boolean;
}

/** `min-replicas-max-lag` in seconds up to which a master that is cut off stops before Sentinel's usual 30 s are over. */
const MOST_LAG_S = 10;

/** Looks at the master's replicas, and at whether its settings keep what a failover must not lose. */
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
            'min-replicas-to-write is 0, expected at least 1: a master that is cut off from its replicas goes on beside the next one',
          ]
        : []),
      ...(matters && toWrite !== undefined && toWrite > 0 && maxLag !== undefined && maxLag > MOST_LAG_S
        ? [
            `min-replicas-max-lag is ${maxLag}, expected at most ${MOST_LAG_S}: a master that is cut off goes on for too long`,
          ]
        : []),
    ],
  };
}

/** Undefined where CONFIG is forbidden, as with hosted Redis. */
async function setting(redis: Redis, name: string): Promise<number | undefined> {
  const answer = (await redis.config('GET', name).catch(() => [])) as string[];
  return answer[1] === undefined ? undefined : Number(answer[1]);
}
