import { Readable } from 'node:stream';
import type { HostBuilders } from '@kiln/buildkit';
import { BASE } from '@kiln/buildkit/testing';
import { buildSpec, type LogRecord } from '@kiln/contracts';
import type { Outcome } from '@kiln/domain';
import { rawTar } from '@kiln/trees/testing';
import { DomainLane, type DomainLaneDeps } from '../executors/domain-lane.ts';
import type { HostHealing } from '../healing/host-healing.ts';

const DOMAIN = 'trusted';
const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Returns the lane of the pool's trusted builds on real builders, without a pool. */
export function healedLane(
  builders: HostBuilders,
  healing: HostHealing,
  deps: Partial<DomainLaneDeps> = {},
): DomainLane {
  return new DomainLane({
    ...{ domain: DOMAIN, healing, checkEveryMs: 200, idleMs: undefined, now: Date.now, log: log as never },
    open: () => builders.open(DOMAIN),
    stop: () => builders.stop(DOMAIN),
    caches: () => undefined,
    fenceMs: () => Date.now() + 600_000,
    whyDown: (domain, error) => builders.whyDown(domain, error),
    onAway: async () => undefined,
    onIncident: async () => undefined,
    ...deps,
  });
}

export interface LaneBuild {
  readonly outcome: Outcome;
  readonly records: LogRecord[];
  /** What its steps printed. */
  readonly output: string;
}

let builds = 0;

/** Runs a build. @param root see `smallRoot` @param lines of its Dockerfile, after those that add the root */
export async function buildOn(lane: DomainLane, root: Buffer, lines: string, spec: object = {}): Promise<LaneBuild> {
  const records: LogRecord[] = [];
  const context = rawTar({ name: 'Dockerfile', content: `${BASE}\n${lines}` }, { name: 'root.tar', content: root });
  const outcome = await lane.run(
    {
      ...{ buildId: `lane${builds++}`, attempt: 1, trust: 'trusted', domain: DOMAIN, repo: 'app' },
      spec: buildSpec.parse({ source: { type: 'upload', name: 'app' }, secrets: [], ...spec }),
      source: { type: 'tar', open: async () => Readable.from([context]) },
      ...{ secrets: new Map(), registryLogins: [], hidden: [] },
      sink: (record) => void records.push(record),
    },
    new AbortController().signal,
  );
  return { outcome, records, output: records.map((record) => (record.type === 'output' ? record.data : '')).join('') };
}
