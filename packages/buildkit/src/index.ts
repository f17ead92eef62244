export { BuildStop, type StopCause } from './build-stop.ts';
export { Builder } from './builder.ts';
export type {
  BuilderInfo,
  BuilderOptions,
  CacheBudget,
  ContextSource,
  DriverName,
  Logger,
  RunRequest,
  TrustClass,
} from './builder-options.ts';
export { cacheNamespace } from './buildx-arguments.ts';
export { EngineError } from './engine.ts';
export { BuildkitError } from './grpc-call.ts';
export type { BuilderInventory, CacheMount } from './inventory.ts';
