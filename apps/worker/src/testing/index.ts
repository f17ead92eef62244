export { CachingExecutor } from './caching-executor.ts';
export { fixedExecutors } from './fixed-executors.ts';
