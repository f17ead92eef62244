export type { AuditOptions } from './audit.ts';
export {
  type Artifact,
  type CallOptions,
  type CancelAnswer,
  hasEnded,
  KilnClient,
  type KilnClientOptions,
  type ListOptions,
  type SecretFilter,
  type SecretName,
  type SubmitOptions,
  type WaitOptions,
} from './client.ts';
export { KilnBadAnswer, KilnProblem, KilnUnreachable } from './errors.ts';
export type { FollowOptions } from './follow-log.ts';
export type { Ambience } from './retry.ts';
export type { TokenSource } from './transport.ts';
export type { ContextUpload } from './upload.ts';
