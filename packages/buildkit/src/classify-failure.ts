import type { Failure } from '@kiln/domain';
import type { FailedStep } from './decode-status.ts';

/** What a run of buildx that didn't succeed left behind; secrets are masked already. */
export interface FailedRun {
  /** Undefined where the engine couldn't tell any more. */
  readonly exitCode: number | undefined;
  /** Steps that failed by themselves. */
  readonly failed: readonly FailedStep[];
  /** What buildx printed beside the statuses. */
  readonly lines: readonly string[];
}

export function classifyFailure(run: FailedRun): Failure {
  return { code: 'build_failed', message: run.lines.join('\n') || `buildx ended with exit code ${run.exitCode}` };
}
