import { expect, test } from 'vitest';
import { runFaults } from '../../faults/fault-run.ts';
import type { HostsLab } from './lab.ts';

/** A short fault run, the same as `npm run test:faults -- --calls none --seed 20 --builds 16`. It starts its own pool. */
export function randomFaultStories({ hosts }: Pick<HostsLab, 'hosts'>): void {
  test('16 builds get every promise while workers, hosts, engines, schedulers, APIs, links and Redis fail', async () => {
    const report = await runFaults({ seed: 20, builds: 16, hosts: hosts() });
    if (report.faults.length > 0) console.error([...report.history, ...report.evidence].join('\n'));
    expect(report.faults).toEqual([]);
    expect(report.builds.length).toBeGreaterThanOrEqual(16);
  });
}
