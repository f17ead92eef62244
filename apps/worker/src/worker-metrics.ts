import type { HostDisk } from '@kiln/contracts';
import { type Metrics, observeMs } from '@kiln/metrics';
import { LogBehind, type LogStore } from '@kiln/state';

/** What a worker exports about its host. Sizes in bytes. */
export interface HostFigures {
  readonly slots: number;
  readonly running: number;
  readonly disk: HostDisk | undefined;
  readonly cacheBytes: number;
  readonly cacheBudgetBytes: number | undefined;
  readonly buildersAway: number;
}

/** Exports a host's figures. */
export function collectHost(metrics: Metrics, read: () => HostFigures): Disposable {
  return metrics.collect(
    [
      'kiln_worker_slots',
      'kiln_worker_builds_running',
      'kiln_disk_size_bytes',
      'kiln_disk_free_bytes',
      'kiln_working_trees_bytes',
      'kiln_git_mirrors_bytes',
      'kiln_cache_bytes',
      'kiln_cache_budget_bytes',
      'kiln_builders_away',
    ],
    (set) => {
      const { slots, running, disk, cacheBytes, cacheBudgetBytes, buildersAway } = read();
      set('kiln_worker_slots', slots);
      set('kiln_worker_builds_running', running);
      set('kiln_disk_size_bytes', disk?.totalBytes ?? 0);
      set('kiln_disk_free_bytes', disk?.freeBytes ?? 0);
      set('kiln_working_trees_bytes', disk?.treeBytes ?? 0);
      set('kiln_git_mirrors_bytes', disk?.mirrorBytes ?? 0);
      set('kiln_cache_bytes', cacheBytes);
      set('kiln_cache_budget_bytes', cacheBudgetBytes ?? 0);
      set('kiln_builders_away', buildersAway);
    },
  );
}

/** Decorates the store of logs, so that what is written to it is counted. */
export function countingLogs(logs: Pick<LogStore, 'append'>, metrics: Metrics): Pick<LogStore, 'append'> {
  return {
    async append(ref, firstSeq, lines, ...rest) {
      const startedAt = performance.now();
      try {
        const appended = await logs.append(ref, firstSeq, lines, ...rest);
        observeMs(metrics, 'kiln_log_write_duration_seconds', performance.now() - startedAt);
        metrics.count('kiln_log_written_records_total', lines.length);
        return appended;
      } catch (error) {
        if (!(error instanceof LogBehind)) metrics.count('kiln_log_write_failures_total', 1);
        throw error;
      }
    },
  };
}
