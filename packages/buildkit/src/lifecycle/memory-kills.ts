import { readFile } from 'node:fs/promises';
import type { RunOutcome } from '../outcome/outcome.ts';

/** Exit code of a shell whose command was ended by SIGKILL. */
const SIGKILLED = 137;

/**
 * Returns how many processes the kernel has killed for memory since the machine started: its own and those in containers, whatever their limits.
 * Undefined if the machine doesn't report it.
 */
export async function memoryKills(): Promise<number | undefined> {
  return readKills(await readFile('/proc/vmstat', 'utf8').catch(() => ''));
}

/** Parses /proc/vmstat. */
export function readKills(text: string): number | undefined {
  const [, count] = /^oom_kill (\d+)$/m.exec(text) ?? [];
  return count === undefined ? undefined : Number(count);
}

/**
 * Gives the failure of a step that was killed the code `out_of_memory`, if the kernel killed processes for memory during the run. The exit code alone
 * doesn't tell: whatever sends SIGKILL causes it.
 * @param before `memoryKills` at the beginning of the run, and after its end
 * @param limitBytes limit of the memory of all steps of the builder together
 */
export function namingMemory(
  outcome: RunOutcome,
  before: number | undefined,
  after: number | undefined,
  limitBytes: number | undefined,
): RunOutcome {
  const { failure } = outcome;
  if (failure?.code !== 'step_failed' || failure.exitCode !== SIGKILLED) return outcome;
  if (before === undefined || after === undefined || after <= before) return outcome;
  const where = failure.step === undefined ? 'a RUN' : (failure.step.split('\n', 1)[0] ?? '').slice(0, 200);
  const limit =
    limitBytes === undefined
      ? 'the host’s memory, which no setting limits for steps'
      : `the limit of all steps of the builder together, ${limitBytes} bytes`;
  const message = `${where}: killed because memory ran out (exit code ${SIGKILLED}); it had ${limit}`;
  return { ...outcome, failure: { ...failure, code: 'out_of_memory', message } };
}
