import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Typical durations of the slow files on two cores, seconds. All others take less. */
const SECONDS: Readonly<Record<string, number>> = {
  'compose.test.ts': 210,
  'warm-placement.test.ts': 168,
  'hosts.test.ts': 142,
  'isolation-domains.int.test.ts': 89,
  'redis-calls.test.ts': 85,
  'faults.test.ts': 74,
  'guarded.int.test.ts': 64,
  'engine-claim.int.test.ts': 63,
  'work-on-delivery.test.ts': 58,
  'engine-restart.int.test.ts': 53,
  'run-isolation.int.test.ts': 46,
  'trust.test.ts': 45,
};

/** Starts the slow files first, so that the workers end at about the same time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ moduleId }: TestSpecification) => SECONDS[basename(moduleId)] ?? 0;
    return (await super.sort(files)).sort((a, b) => seconds(b) - seconds(a));
  }
}
