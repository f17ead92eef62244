import { expect, test } from 'vitest';
import { runFaults } from '../faults/fault-run.ts';
import { startHosts } from '../support/hosts.ts';

/** The same as `npm run test:faults -- --calls none --seed 20 --builds 16`. */
test('keeps every promise to 16 builds while workers, hosts, engines, schedulers, APIs, links and Redis fail at random', async () => {
  await using hosts = await startHosts('a', 'b', 'c');
  const report = await runFaults({ seed: 20, builds: 16, hosts });
  if (report.faults.length > 0) console.error([...report.history, ...report.evidence].join('\n'));
  expect(report.faults).toEqual([]);
  expect(report.builds.length).toBeGreaterThanOrEqual(16);
}, 900_000);
