export type { AttemptSource, ExecuteRequest, Executor, StopReason } from './executor.ts';
export { DEFAULT_LEASE, type RunningWorker, startWorker, type WorkerConfig, type WorkerDeps } from './worker.ts';
