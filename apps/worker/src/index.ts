export type { ExecuteRequest, Executor, ExecutorInventory, ExecutorSource, StopReason } from './engine/executor.ts';
export { JoinFailed } from './join/join.ts';
export { diskOf, type RunningHost, runHost } from './run-host.ts';
export { mirrorEnv, mirrorSettings } from './settings/mirror-settings.ts';
export { checkLease, reportEnv, reportSettings } from './settings/report-settings.ts';
export { builderEnv, type WorkerSettings, workerEnv, workerSettings } from './settings/settings.ts';
export { checkTrust, idleSettings, trustEnv, trustSettings } from './settings/trust-settings.ts';
export { type RunningWorker, startWorker } from './worker.ts';
export type { WorkerDeps, WorkerOptions } from './worker-options.ts';
