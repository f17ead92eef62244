import { type Check, checkDisk } from './check.ts';

/** What the pool knows of a host. */
export interface HostFacts {
  readonly name: string;
  readonly alive: boolean;
  readonly cordoned: boolean;
  readonly accepting: boolean;
  readonly hasLowDisk: boolean;
  readonly disk?: { readonly freeBytes: number; readonly totalBytes: number } | undefined;
  readonly engineVersion: string;
  readonly buildxVersion: string;
  readonly buildkitVersion?: string | undefined;
  /** Domains whose builders don't answer. */
  readonly buildersAway: number;
}

const LEAST_BUILDX = '0.13.0';
const LEAST_ENGINE = '23.0.0';

/** Checks each host, and whether there is one that takes builds. */
export function checkHosts(hosts: readonly HostFacts[]): Check[] {
  const open = hosts.filter(
    ({ alive, cordoned, accepting, hasLowDisk }) => alive && !cordoned && accepting && !hasLowDisk,
  );
  return [
    open.length > 0
      ? { area: 'host', subject: 'pool', status: 'ok', found: `${open.length} of ${hosts.length} hosts take builds` }
      : {
          ...{ area: 'host', subject: 'pool', status: 'problem', found: `none of ${hosts.length} hosts takes builds` },
          advice: 'add a host (docs/operate/hosts.md), or uncordon one',
        },
    ...hosts.flatMap(checkHost),
    ...differences(hosts.filter(({ alive }) => alive)),
  ];
}

function checkHost(host: HostFacts): Check[] {
  const { name, alive, hasLowDisk, disk, buildersAway } = host;
  if (!alive) {
    return [
      {
        ...{ area: 'host', subject: name, status: 'problem', found: 'its worker has stopped reporting' },
        advice: `start its worker, or remove it: kiln host remove ${name}`,
      },
    ];
  }
  const checks: Check[] = [
    atLeast(name, 'Docker Engine', host.engineVersion, LEAST_ENGINE, 'warning'),
    atLeast(name, 'buildx', host.buildxVersion, LEAST_BUILDX, 'problem'),
  ];
  if (hasLowDisk) {
    const advice = 'free space: evicting caches was not enough';
    checks.push({
      area: 'disk',
      subject: name,
      status: 'problem',
      found: 'takes no builds because too little disk is free',
      advice,
    });
  } else if (disk) checks.push(checkDisk(name, disk.freeBytes, disk.totalBytes));
  if (buildersAway > 0) {
    const found = `${buildersAway} of its builders do not answer`;
    checks.push({
      area: 'host',
      subject: name,
      status: 'warning',
      found,
      advice: `kiln host show ${name} lists its incidents`,
    });
  }
  return checks;
}

/** Checks a version, as far as it can be compared. */
function atLeast(subject: string, what: string, got: string, least: string, status: 'warning' | 'problem'): Check {
  const older = isOlder(got, least);
  if (older === undefined)
    return {
      area: 'engine',
      subject,
      status: 'unknown',
      found: `${what} ${got}`,
      advice: `expected ${least} or later`,
    };
  return older
    ? {
        area: 'engine',
        subject,
        status,
        found: `${what} is ${got}, expected ${least} or later`,
        advice: `update ${what}`,
      }
    : { area: 'engine', subject, status: 'ok', found: `${what} ${got}` };
}

/** Compares versions by their first three numbers; undefined if one has none, as builds from source. */
function isOlder(got: string, least: string): boolean | undefined {
  const [have, want] = [numbersOf(got), numbersOf(least)];
  if (!have || !want) return undefined;
  const differing = want.findIndex((number, i) => have[i] !== number);
  return differing >= 0 && (have[differing] ?? 0) < (want[differing] ?? 0);
}

function numbersOf(version: string): number[] | undefined {
  const match = /^v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?/.exec(version);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : undefined;
}

/** Hosts with different BuildKits may have different results of one build, and can't use each other's caches in every case. */
function differences(hosts: readonly HostFacts[]): Check[] {
  const byVersion = Map.groupBy(hosts, ({ buildkitVersion }) => buildkitVersion ?? 'not told');
  if (byVersion.size < 2) return [];
  const list = [...byVersion].map(([version, same]) => `${version} (${same.map(({ name }) => name).join(', ')})`);
  return [
    {
      ...{
        area: 'engine',
        subject: 'BuildKit',
        status: 'warning',
        found: `hosts have different versions: ${list.join('; ')}`,
      },
      advice: 'use the same KILN_BUILDKIT_IMAGE on all hosts',
    },
  ];
}
