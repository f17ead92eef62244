export type {
  AttemptSource,
  ExecuteRequest,
  Executor,
  ExecutorInventory,
  ExecutorSource,
  StopReason,
} from './executor.ts';
export { JoinFailed } from './join.ts';
export { diskOf, type RunningHost, runHost } from './run-host.ts';
export { type WorkerSettings, workerSettings } from './settings.ts';
export { checkTrust, idleSettings, trustEnv, trustSettings } from './trust-settings.ts';
export {
  DEFAULT_BUILDER_IDLE_MS,
  DEFAULT_INVENTORY_EVERY_MS,
  DEFAULT_LEASE,
  type RunningWorker,
  startWorker,
  type WorkerConfig,
  type WorkerDeps,
} from './worker.ts';
