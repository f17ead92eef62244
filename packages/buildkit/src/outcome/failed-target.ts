import type { FailedStep } from '../progress/decode-status.ts';
import type { RunOutcome } from './outcome.ts';

/** A failed step of one of several targets. */
export interface TargetStep extends FailedStep {
  /** Its name as it is shown, with its target: `[app build 2/3] RUN make`. `name` is without it: `[build 2/3] RUN make`. */
  readonly shownName: string;
  readonly target: string | undefined;
}

/** Takes the targets out of the names of steps, where buildx writes them if it builds several. @param targets their names; none for a build with a single target */
export function stepsOfTargets(failed: readonly FailedStep[], targets: ReadonlySet<string>): TargetStep[] {
  return failed.map((step) => {
    const [, target = '', end = '', rest = ''] = /^\[([\w-]+)(\] | )(.*)$/s.exec(step.name) ?? [];
    if (!targets.has(target)) return { ...step, shownName: step.name, target: undefined };
    return { ...step, name: end === ' ' ? `[${rest}` : rest, shownName: step.name, target };
  });
}

/** Says in a failure which target failed, and names the step as it is shown. @param lines that buildx printed beside its progress */
export function namingTarget(
  outcome: RunOutcome,
  failed: readonly TargetStep[],
  targets: ReadonlySet<string>,
  lines: readonly string[],
): RunOutcome {
  const { failure, end } = outcome;
  if (!failure || end !== 'failed' || targets.size === 0) return outcome;
  const step = failure.step === undefined ? failed[0] : failed.find(({ name }) => name === failure.step);
  const target = step?.target ?? printedTarget(lines);
  return {
    ...outcome,
    failure: {
      ...failure,
      ...(failure.step !== undefined && step && { step: step.shownName }),
      ...(target !== undefined && targets.has(target) && { message: `target ${target}: ${failure.message}` }),
    },
  };
}

/** Versions of buildx since 0.14 print it. */
function printedTarget(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const target = /^ERROR: (?:failed to build: )?target ([\w-]+): /.exec(line)?.[1];
    if (target !== undefined) return target;
  }
  return undefined;
}
