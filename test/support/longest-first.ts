import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Durations of the slow files on a busy machine with two cores, seconds. All others take less. */
const SECONDS: Readonly<Record<string, number>> = {
  'test/stories/hosts.test.ts': 320,
  'test/stories/compose.test.ts': 210,
  'isolation-domains.int.test.ts': 89,
  'test/redis-faults/redis-calls.test.ts': 85,
  'guarded.int.test.ts': 64,
  'work-on-delivery.test.ts': 58,
  'engine-restart.int.test.ts': 53,
  'run-isolation.int.test.ts': 46,
  'test/stories/trust.test.ts': 45,
  'engine-claim.int.test.ts': 40,
};

/** Starts the slow files first, so that the workers end at about the same time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ moduleId }: TestSpecification) =>
      Object.entries(SECONDS).find(([file]) => moduleId.endsWith(`/${file}`))?.[1] ?? 0;
    return (await super.sort(files)).sort((a, b) => seconds(b) - seconds(a));
  }
}
