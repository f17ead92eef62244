export type { AttemptSource, ExecuteRequest, Executor, ExecutorInventory, StopReason } from './executor.ts';
export {
  DEFAULT_INVENTORY_EVERY_MS,
  DEFAULT_LEASE,
  type RunningWorker,
  startWorker,
  type WorkerConfig,
  type WorkerDeps,
} from './worker.ts';
