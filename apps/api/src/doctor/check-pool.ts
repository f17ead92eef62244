import { type Check, checkClock, checkExpiry, checkHosts, checkRedis, type HostFacts } from '@kiln/domain';
import type { HostState, State } from '@kiln/state';
import type { ApiDeps } from '../ports.ts';
import { checkReach } from './check-reach.ts';

export interface DoctorDeps extends Pick<ApiDeps, 'hosts' | 'connections' | 'secrets' | 'blobs'> {
  readonly diagnose: State['diagnose'];
  readonly replicas?: ApiDeps['replicas'];
  readonly fetch: typeof fetch;
  readonly now: () => number;
}

/** How exactly a host's clock is known, ms: its report takes a moment to arrive. */
const REPORT_MS = 500;
/** Free space of the blob store below which nothing big can be stored. */
const LEAST_BLOB_BYTES = 5_000_000_000;

export interface DoctorOptions {
  readonly blobReserveBytes: number;
  /** Whether forges and registries are checked, which belong to teams. */
  readonly seesAll: boolean;
}

/** Checks the pool as far as an API process sees it. @throws the errors of Redis */
export async function checkPool(deps: DoctorDeps, { blobReserveBytes, seesAll }: DoctorOptions): Promise<Check[]> {
  const hosts = (await deps.hosts.list()).filter(({ left }) => !left);
  const [diagnosis, replicas, storage, reach] = await Promise.all([
    deps.diagnose(hosts.map(({ report, ...host }) => ({ name: report.name, ...host }))),
    deps.replicas?.(),
    checkBlobs(deps.blobs, blobReserveBytes),
    seesAll ? checkReach(deps) : [],
  ]);
  const { redis, clock, hasLeader, hostClocks } = diagnosis;
  return [
    ...checkRedis({ ...redis, replicaProblems: replicas?.problems ?? [] }),
    checkClock('redis', clock.offsetMs, clock.errorMs, 'the API'),
    ...[...hostClocks].map(([host, offsetMs]) => checkClock(host, offsetMs, REPORT_MS, 'Redis')),
    leader(hasLeader),
    ...checkHosts(hosts.map(factsOf)),
    ...hosts.flatMap((host) => authorities(host, deps.now())),
    ...storage,
    ...reach,
  ];
}

function leader(isThere: boolean): Check {
  return isThere
    ? { area: 'scheduler', subject: 'leader', status: 'ok', found: 'a scheduler leads' }
    : {
        ...{ area: 'scheduler', subject: 'leader', status: 'problem', found: 'no scheduler leads' },
        advice: 'start a scheduler: no build gets a host',
      };
}

function factsOf({ report, alive, cordoned }: HostState): HostFacts {
  const { name, accepting, disk, engineVersion, buildxVersion, buildkitVersion } = report;
  return {
    ...{ name, alive, cordoned, accepting, disk, engineVersion, buildxVersion, buildkitVersion },
    hasLowDisk: report.conditions?.includes('low_disk') ?? false,
    buildersAway: report.domainsAway?.length ?? 0,
  };
}

function authorities({ report: { name, network } }: HostState, now: number): Check[] {
  return (network?.authorities ?? []).map(({ subject, expiresAt, registry }) =>
    checkExpiry(`${name}: ${subject}${registry === undefined ? '' : ` (of ${registry})`}`, Date.parse(expiresAt), now),
  );
}

async function checkBlobs(blobs: ApiDeps['blobs'], reserveBytes: number): Promise<Check[]> {
  const freeBytes = await blobs.freeBytes?.();
  if (freeBytes === undefined) return [];
  const status = freeBytes <= reserveBytes ? 'problem' : freeBytes < reserveBytes + LEAST_BLOB_BYTES ? 'warning' : 'ok';
  return [
    {
      ...{ area: 'disk', subject: 'blob store', status },
      found: `${(freeBytes / 1e9).toFixed(1)} GB are free, of which ${(reserveBytes / 1e9).toFixed(1)} GB are kept for logs`,
      ...(status !== 'ok' && { advice: 'give it a larger disk, or keep less (docs/operate/limits.md)' }),
    },
  ];
}
