import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Durations of the slow files in a run of all tests on two cores, seconds. */
const SECONDS: Readonly<Record<string, number>> = {
  'test/stories/same-as-docker.test.ts': 360,
  'test/stories/hosts.test.ts': 352,
  'packages/buildkit/src/lifecycle/run-modes.int.test.ts': 159,
  'test/stories/compose.test.ts': 146,
  'packages/buildkit/src/snapshots/snapshots.int.test.ts': 129,
  'packages/buildkit/src/trees/working-trees.int.test.ts': 96,
  'apps/worker/src/healing/healing.int.test.ts': 95,
  'packages/buildkit/src/lifecycle/isolation-domains.int.test.ts': 88,
  'test/stories/trust.test.ts': 81,
  'apps/worker/src/traces/why-slow.int.test.ts': 81,
  'packages/buildkit/src/trees/broken-off.int.test.ts': 64,
  'packages/buildkit/src/egress/guarded.int.test.ts': 55,
  'packages/buildkit/src/lifecycle/network.int.test.ts': 55,
  'apps/cli/src/commands/pool/worker.int.test.ts': 53,
  'test/stories/page.test.ts': 50,
  'apps/worker/src/caches/disk-full.int.test.ts': 46,
  'packages/buildkit/src/run/push.int.test.ts': 44,
  'packages/buildkit/src/lifecycle/trust-classes.int.test.ts': 41,
  'packages/buildkit/src/lifecycle/container-driver.int.test.ts': 39,
  'test/redis-faults/redis-calls.test.ts': 39,
  'apps/api/src/hooks/incoming/work-on-delivery.test.ts': 37,
  'packages/buildkit/src/lifecycle/builder.int.test.ts': 36,
  'packages/buildkit/src/lifecycle/step-limits.int.test.ts': 34,
  'packages/buildkit/src/lifecycle/proxy.int.test.ts': 33,
  'apps/worker/src/attempt/secrets.int.test.ts': 32,
  'packages/buildkit/src/run/tree-context.int.test.ts': 32,
  'test/bundle/bundle.test.ts': 32,
  'apps/scheduler/src/abandoning.test.ts': 31,
  'packages/buildkit/src/lifecycle/resilience.int.test.ts': 31,
  'packages/buildkit/src/control/inventory.int.test.ts': 31,
  'test/stories/worker-killed.test.ts': 30,
  'test/stories/redis-restarted.test.ts': 30,
  'packages/buildkit/src/run/run-isolation.int.test.ts': 23,
  'test/stories/shared-s3.test.ts': 23,
  'test/stories/scheduler-killed.test.ts': 23,
  'apps/api/src/hooks/reports/report-status.test.ts': 22,
  'apps/api/src/hooks/incoming/delivery-order.test.ts': 22,
  'test/stories/failover.test.ts': 22,
  'packages/buildkit/src/trees/times.int.test.ts': 21,
  'test/stories/host-life.test.ts': 21,
  'packages/buildkit/src/run/stop.int.test.ts': 20,
  'packages/buildkit/src/trees/disk-full.int.test.ts': 20,
  'packages/buildkit/src/run/registry-login.int.test.ts': 19,
  'packages/blobs/src/s3/s3-faults.test.ts': 19,
  'test/stories/api-killed.test.ts': 17,
  'apps/cli/src/commands/host/host.test.ts': 17,
  'apps/api/src/logs/log-clients.test.ts': 17,
  'packages/buildkit/src/egress/listed.int.test.ts': 17,
  'test/release/release.test.ts': 17,
  'test/stories/in-flight.test.ts': 16,
  'apps/api/src/hooks/incoming/delivery-faults.test.ts': 16,
  'packages/buildkit/src/run/git.int.test.ts': 16,
  'apps/worker/src/caches/warmth.int.test.ts': 14,
  'apps/api/src/why-slow/why-slow.test.ts': 14,
  'packages/buildkit/src/run/context-escape.int.test.ts': 14,
  'packages/buildkit/src/lifecycle/engine-claim.int.test.ts': 14,
  'apps/worker/src/attempt/check-out-commit.int.test.ts': 14,
  'packages/buildkit/src/run/context-dir.int.test.ts': 13,
  'test/simulate/main.test.ts': 13,
  'apps/api/src/hooks/incoming/fork-contexts.test.ts': 12,
  'apps/worker/src/attempt/commit-dockerfile.test.ts': 12,
  'packages/blobs/src/s3/s3-blob-store.test.ts': 12,
  'apps/api/src/access/route-matrix.test.ts': 12,
  'packages/buildkit/src/tool/spare-shells.int.test.ts': 12,
  'packages/buildkit/src/lifecycle/engine-restart.int.test.ts': 11,
  'apps/api/src/server/http-server.test.ts': 11,
  'test/docs/generated.test.ts': 11,
  'apps/api/src/audit/audit.test.ts': 10,
  'packages/buildkit/src/run/rest-of-progress.int.test.ts': 10,
  'packages/git/src/mirror/git-mirror.test.ts': 10,
  'packages/buildkit/src/run/frontends.int.test.ts': 10,
  'test/fuzz/fuzz.test.ts': 10,
  'packages/buildkit/src/lifecycle/host-trees.int.test.ts': 9,
  'packages/git/src/commit-files.test.ts': 9,
  'test/stories/noisy-build.test.ts': 9,
  'apps/worker/src/caches/cache-reporter.test.ts': 9,
  'apps/api/src/history/history.test.ts': 8,
  'apps/worker/src/attempt/check-out-commit.test.ts': 8,
  'apps/api/src/logs/live-pieces.test.ts': 8,
  'packages/blobs/src/trees/sweep.property.test.ts': 7,
  'apps/api/src/hooks/incoming/receive-hook.test.ts': 7,
  'apps/api/src/contexts/trees.test.ts': 6,
  'packages/state/src/history/history-store.test.ts': 6,
  'packages/git/src/resolve-ref.test.ts': 6,
  'apps/api/src/builds/upload.test.ts': 6,
  'apps/cli/src/context/sending/send-context.test.ts': 6,
  'packages/buildkit/src/trees/time-ledger.test.ts': 6,
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
