export type { AuditOptions } from './audit.ts';
export { KilnClient } from './client.ts';
export { KilnBadAnswer, KilnProblem, KilnUnreachable } from './errors.ts';
export type { FollowOptions } from './follow-log.ts';
export { hasEnded } from './has-ended.ts';
export type {
  Artifact,
  CallOptions,
  CancelAnswer,
  KilnClientOptions,
  ListOptions,
  SecretFilter,
  SecretName,
  SubmitOptions,
  WaitOptions,
} from './options.ts';
export { backoffMs, type ClientDeps, isTransient } from './retry.ts';
export type { TokenSource } from './transport.ts';
export type { SendTreePartsOptions, TreeCallOptions } from './tree-calls.ts';
export type { ContextUpload } from './upload.ts';
