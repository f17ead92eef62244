import { join } from 'node:path';
import type { TestHost } from '../hosts/test-host.ts';
import type { PoolOptions, Role } from './options.ts';

export const NAMESPACE = 'kiln';

/** What all processes of a pool have in common. */
export interface PoolSettings {
  readonly options: PoolOptions;
  /** Directory of the pool. */
  readonly dir: string;
  readonly secretKey: Buffer;
  readonly token: string;
  readonly redisUrl: string;
  /** URL by which hosts of their own reach Redis. */
  readonly redisTcpUrl: string | undefined;
  readonly leaseTtlMs: number;
  readonly slots: number;
}

export interface ProcessPlace {
  readonly role: Role;
  readonly name: string;
  readonly dataDir: string;
  /** The host that the process runs on; undefined for this machine. */
  readonly host: TestHost | undefined;
  /** URLs of the APIs that were started before, by name. */
  readonly apiUrls: ReadonlyMap<string, string>;
  /** That an API listens on. */
  readonly port: number | undefined;
}

/** Environment of one process of a pool. */
export function processEnv(settings: PoolSettings, { role, name, dataDir, host, apiUrls, port }: ProcessPlace) {
  const { options, token } = settings;
  const { syncEveryMs = 300, fenceMarginMs = 2_000, leaderTtlMs = 2_000, tickMs = 400 } = options;
  const roles: Record<Role, NodeJS.ProcessEnv> = {
    api: { KILN_HOST: options.hosts?.address ?? '127.0.0.1', KILN_PORT: `${port ?? 0}`, KILN_TOKEN: token },
    scheduler: { KILN_LEADER_TTL_MS: `${leaderTtlMs}`, KILN_TICK_MS: `${tickMs}` },
    worker: {
      KILN_HOST_NAME: name,
      // So that a build can be sent to this host by `hostLabels`.
      KILN_LABELS: `name=${name}`,
      KILN_SLOTS: `${settings.slots}`,
      KILN_DATA_DIR: dataDir,
      KILN_DRIVER: 'docker',
      // Stories build for several teams, mostly on one engine.
      KILN_ISOLATION: 'pool',
      KILN_LEASE_TTL_MS: `${settings.leaseTtlMs}`,
      KILN_SYNC_EVERY_MS: `${syncEveryMs}`,
      KILN_FENCE_MARGIN_MS: `${fenceMarginMs}`,
    },
  };
  return {
    ...process.env,
    KILN_REDIS_URL: settings.redisUrl,
    KILN_NAMESPACE: NAMESPACE,
    KILN_SECRET_KEY: settings.secretKey.toString('base64'),
    ...(role !== 'scheduler' && !host && { KILN_BLOB_DIR: join(settings.dir, 'blobs') }),
    ...roles[role],
    ...(host && {
      KILN_DOCKER_SOCKET: host.socket,
      KILN_REDIS_URL: settings.redisTcpUrl,
      KILN_API_URL: apiUrls.get('1'),
      KILN_TOKEN: token,
    }),
    ...options.env?.[role],
    ...(role === 'worker' && options.workerEnv?.[name]),
  };
}
