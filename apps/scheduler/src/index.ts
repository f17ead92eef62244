export {
  DEFAULT_SCHEDULER,
  type RunningScheduler,
  type SchedulerConfig,
  type SchedulerDeps,
  startScheduler,
} from './scheduler.ts';
export { schedulerEnv, schedulingConfig, schedulingEnv } from './settings.ts';
