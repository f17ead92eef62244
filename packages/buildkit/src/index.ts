export { BuildStop, type StopCause } from './build-stop.ts';
export { Builder } from './builder.ts';
export type {
  BuilderInfo,
  BuilderOptions,
  ContextSource,
  DriverName,
  Logger,
  RunRequest,
  TrustClass,
} from './builder-options.ts';
export { EngineError } from './engine.ts';
