export { ArtifactRefused } from './artifact-pipe.ts';
export { BuildStop, type StopCause } from './build-stop.ts';
export { Builder } from './builder.ts';
export type {
  BuilderInfo,
  BuilderOptions,
  CacheBudget,
  CommitDockerfile,
  ContextSource,
  DriverName,
  Logger,
  RunRequest,
} from './builder-options.ts';
export { cacheNamespace } from './buildx-arguments.ts';
export { type Egress, EgressUnenforceable } from './egress/egress.ts';
export { EngineError } from './engine.ts';
export { EngineNotApart, EngineTaken } from './engine-claim.ts';
export { BuildkitError } from './grpc-call.ts';
export { HostBuilders, type HostBuildersInfo, type HostBuildersOptions } from './host-builders.ts';
export type { BuilderInventory, CacheMount } from './inventory.ts';
