import { normalPlatform } from '@kiln/domain';
import type { FailedStep } from '../progress/decode-status.ts';
import type { RunOutcome } from './outcome.ts';

/** What the kernel says about a program of a processor for which it has neither hardware nor an emulator. */
const FOREIGN = /\bexec format error\b/i;

/**
 * Explains the failure of a build in which a step ran a program that the host can't run, because it is of another platform.
 * @param wanted the build's platforms @param able those that the host runs, natively or by emulation
 */
export function explainForeignRun(
  outcome: RunOutcome,
  failed: readonly FailedStep[],
  wanted: readonly string[],
  able: readonly string[],
): RunOutcome {
  const { failure } = outcome;
  if (failure?.code !== 'step_failed') return outcome;
  const step = failed.find(({ name }) => name === failure.step);
  if (!step || !(FOREIGN.test(step.lastOutput) || FOREIGN.test(step.error))) return outcome;
  const foreign = wanted.map(normalPlatform).filter((platform) => !able.includes(platform));
  if (foreign.length === 0) return outcome;
  const [name = ''] = step.name.split('\n', 1);
  const message = `${name} runs a program for ${foreign.join(' or ')}, but the host runs only ${able.join(', ')}`;
  return { ...outcome, failure: { ...failure, code: 'platform_missing', message } };
}
