import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Durations of the slow files on a busy machine with two cores, seconds. */
const SECONDS: Readonly<Record<string, number>> = {
  'test/stories/hosts.test.ts': 230,
  'test/stories/fresh-clone.test.ts': 110,
  'why-slow.int.test.ts': 105,
  'working-trees.int.test.ts': 98,
  'snapshots.int.test.ts': 89,
  'test/stories/compose.test.ts': 85,
  'run-modes.int.test.ts': 79,
  'isolation-domains.int.test.ts': 66,
  'inventory.int.test.ts': 63,
  'test/bundle/bundle.test.ts': 58,
  'builder.int.test.ts': 53,
  'test/redis-faults/redis-calls.test.ts': 50,
  'same-context.test.ts': 48,
  'container-driver.int.test.ts': 48,
  'worker.int.test.ts': 47,
  'guarded.int.test.ts': 44,
  'test/stories/trust.test.ts': 42,
  'resilience.int.test.ts': 41,
  'oidc.test.ts': 40,
  'report-status.test.ts': 36,
  'run-isolation.int.test.ts': 33,
  'trust-classes.int.test.ts': 30,
  'warmth.int.test.ts': 30,
  'network.int.test.ts': 30,
  'http/problems.test.ts': 25,
  'proxy.int.test.ts': 25,
  'step-limits.int.test.ts': 25,
  's3-faults.test.ts': 20,
  'route-matrix.test.ts': 19,
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
