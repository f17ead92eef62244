// Folders, lower ones first; none imports a later one:
//   engine     calls to the Docker Engine
//   tool       the container in which buildx runs
//   control    BuildKit's gRPC API, and the inventory read by it
//   masking    secrets out of logs
//   progress   buildx's progress output to log records
//   outcome    why a run stopped, and classification of failures
//   egress     rules for what builds may reach
//   trees      working trees: contexts that stay on the host
//   settings   what an operator sets for builders: network, limits, configuration
//   run        one build: its files, context, buildx process
//   snapshots  reading and filling cache mounts
//   lifecycle  builders: starting, claiming, budgets, all of a host

export { BakeInvalid } from './bake/evaluate-bake.ts';
export type { DriverName } from './control/buildkit-connection.ts';
export { BuildkitError } from './control/grpc-call.ts';
export type { BuilderInventory, CacheMount } from './control/inventory.ts';
export { type Egress, EgressUnenforceable } from './egress/egress.ts';
export { EngineError } from './engine/engine.ts';
export type { Logger } from './engine/logger.ts';
export { Builder } from './lifecycle/builder.ts';
export type { BuilderInfo, BuilderOptions, CacheBudget } from './lifecycle/builder-options.ts';
export { closeStarting } from './lifecycle/close-starting.ts';
export { EngineNotApart, EngineTaken } from './lifecycle/engine-claim.ts';
export { HostBuilders, type HostBuildersInfo, type HostBuildersOptions } from './lifecycle/host-builders.ts';
export { BuildStop, type StopCause } from './outcome/build-stop.ts';
export type { RunOutcome } from './outcome/outcome.ts';
export type { ReportedStep } from './progress/step-trace.ts';
export { ArtifactRefused } from './run/artifact-pipe.ts';
export { cacheNamespace } from './run/buildx-arguments.ts';
export type { RegistryLogin } from './run/docker-config.ts';
export { PUSH_RETRIES } from './run/push-retries.ts';
export type {
  CacheArchive,
  CommitDockerfile,
  ContextSource,
  ContextTree,
  GitCheckout,
  RunObserver,
  RunRequest,
  TargetSources,
} from './run/run-request.ts';
export type {
  BuilderSettings,
  DnsSettings,
  ProxySettings,
  RegistrySettings,
  StepLimits,
} from './settings/builder-settings.ts';
export { EngineDiffers } from './settings/check-engine.ts';
export { configKeys, InvalidConfig, parseExtraConfig } from './settings/extra-config.ts';
export { maskProxy } from './settings/proxy.ts';
export type { MountPlace } from './snapshots/mount-run.ts';
export { SnapshotRunFailed } from './snapshots/own-run.ts';
export { MountUnreachable, type SavedMount } from './snapshots/save-mount.ts';
export type { SubmittedTimes } from './trees/working-tree.ts';
