import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Durations of the slow files in a run of all tests on two cores, seconds. */
const SECONDS: Readonly<Record<string, number>> = {
  'test/stories/hosts.test.ts': 275,
  'run-modes.int.test.ts': 126,
  'test/stories/compose.test.ts': 123,
  'working-trees.int.test.ts': 89,
  'healing.int.test.ts': 82,
  'lifecycle/network.int.test.ts': 71,
  'test/stories/fresh-clone.test.ts': 70,
  'why-slow.int.test.ts': 69,
  'snapshots.int.test.ts': 65,
  'test/stories/trust.test.ts': 62,
  'isolation-domains.int.test.ts': 54,
  'broken-off.int.test.ts': 54,
  'guarded.int.test.ts': 51,
  'proxy.int.test.ts': 49,
  'caches/disk-full.int.test.ts': 48,
  'container-driver.int.test.ts': 46,
  'test/redis-faults/redis-calls.test.ts': 45,
  'trust-classes.int.test.ts': 43,
  'test/stories/same-context.test.ts': 41,
  'pool/worker.int.test.ts': 37,
  'work-on-delivery.test.ts': 35,
  'test/bundle/bundle.test.ts': 31,
  'step-limits.int.test.ts': 26,
  'builder.int.test.ts': 25,
  'resilience.int.test.ts': 25,
  'commands/host/host.test.ts': 22,
  'test/stories/failover.test.ts': 21,
  's3-faults.test.ts': 20,
  'run-isolation.int.test.ts': 20,
  'inventory.int.test.ts': 18,
  'log-clients.test.ts': 17,
  'report-status.test.ts': 16,
  'apps/api/src/contexts/trees.test.ts': 16,
  'warmth.int.test.ts': 16,
  'route-matrix.test.ts': 14,
  'api/src/why-slow/why-slow.test.ts': 13,
  'test/fuzz/fuzz.test.ts': 12,
  'delivery-order.test.ts': 11,
  'http-server.test.ts': 11,
  'oidc.test.ts': 10,
  's3-blob-store.test.ts': 10,
  'tree-builds.test.ts': 10,
  'api/src/history/history.test.ts': 9,
  'api/src/audit/audit.test.ts': 8,
  'builds/upload.test.ts': 8,
  'cache-reporter.test.ts': 8,
  'test/docs/generated.test.ts': 8,
  'test/simulate/main.test.ts': 8,
  'delivery-faults.test.ts': 7,
  'fork-contexts.test.ts': 7,
  'commit-dockerfile.test.ts': 7,
  'live-pieces.test.ts': 7,
  'random-pools.test.ts': 6,
  'apps/worker/src/attempt/check-out-commit.test.ts': 6,
  'forges/src/webhook/hostile.test.ts': 6,
  'login.test.ts': 6,
};

/** What a file that isn't listed takes, seconds: those with an engine or several processes take far longer than all others. */
const OF_AN_ENGINE = 15;
const OF_OTHERS = 0;

function secondsOf(file: string): number {
  const [, listed] = Object.entries(SECONDS).find(([slow]) => file.endsWith(`/${slow}`)) ?? [];
  return listed ?? (/\.int\.test\.ts$|\/test\/stories\//.test(file) ? OF_AN_ENGINE : OF_OTHERS);
}

/** Starts the slow files first, so that the workers end at about the same time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => secondsOf(b.moduleId) - secondsOf(a.moduleId));
  }
}
