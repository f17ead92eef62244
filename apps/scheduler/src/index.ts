export { schedulerEnv, schedulingConfig, schedulingEnv } from './env.ts';
export {
  DEFAULT_SCHEDULER,
  type RunningScheduler,
  type SchedulerConfig,
  type SchedulerDeps,
  startScheduler,
} from './scheduler.ts';
