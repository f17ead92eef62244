/**
 * Why a build, or one attempt of it, did not succeed. The codes are stable, so that scripts may depend on them. Those for which
 * `isInfrastructure` is true are not the build's fault, and lead to another attempt.
 */
export const FAILURE_CODES = [
  'step_failed',
  'platform_missing',
  'dockerfile_missing',
  'dockerfile_invalid',
  'frontend_refused',
  'target_missing',
  'context_invalid',
  'base_image_unavailable',
  'git_unreachable',
  'git_auth_failed',
  'git_ref_missing',
  'git_host_refused',
  'git_subdir_missing',
  'push_refused',
  'disk_full',
  'out_of_memory',
  'artifact_too_large',
  'storage_quota_exceeded',
  'storage_full',
  'timeout',
  'canceled',
  'superseded',
  'secrets_expired',
  'secret_missing',
  'secret_withheld',
  'secret_unreadable',
  'trust_refused',
  'egress_refused',
  'build_failed',
  'infrastructure',
  'host_lost',
  'host_drained',
  'host_outdated',
  'host_taken',
  'no_fitting_host',
  'queue_timeout',
  'poisoned',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export interface Failure {
  readonly code: FailureCode;
  /** One line or a few, for the person who has to fix it. */
  readonly message: string;
  /** The Dockerfile instruction that failed, as BuildKit names it: `[build 3/5] RUN npm ci`. */
  readonly step?: string;
  /** Exit code of the failed RUN. */
  readonly exitCode?: number;
  /** The Dockerfile's lines around the error, numbered from 1, as BuildKit reports them. */
  readonly excerpt?: string;
}

const INFRASTRUCTURE: ReadonlySet<FailureCode> = new Set([
  'infrastructure',
  'host_lost',
  'host_drained',
  'host_outdated',
  'host_taken',
]);

/** Returns whether a host handed the build back without an error. Such an attempt doesn't count. */
export function isHandBack(failure: Failure | undefined): boolean {
  return failure?.code === 'host_drained' || failure?.code === 'host_taken';
}

/** Returns whether another attempt, on another host, may succeed. */
export function isInfrastructure(code: FailureCode): boolean {
  return INFRASTRUCTURE.has(code);
}
