import { readFile } from 'node:fs/promises';
import type Docker from 'dockerode';
import type { RunOutcome } from '../outcome/outcome.ts';
import { STEPS_CGROUP } from '../settings/builder-settings.ts';
import { captureIn } from '../tool/capture-in.ts';

/** Exit code of a shell whose command was ended by SIGKILL. */
const SIGKILLED = 137;
const TIMEOUT_MS = 5_000;

/**
 * Prints a count of the builder's steps from its container, where it is root of its own cgroups. With cgroup v2 `memory.events` counts kills in
 * all groups below. With v1 the group's own `memory.oom_control` doesn't, and those below are gone with their steps: there, it is how often
 * the steps have reached their common limit. Prints nothing if they have neither.
 */
const COUNT_SCRIPT = `cd /sys/fs/cgroup && cat ${STEPS_CGROUP}/memory.events 2>/dev/null || cat memory.events 2>/dev/null || cat memory/${STEPS_CGROUP}/memory.failcnt 2>/dev/null`;

/** Counts that have grown when a process was killed for memory. Undefined: it can't be read here. */
export interface KillCounts {
  /** On the whole machine, since it started: `memoryKills`. */
  readonly machine: number | undefined;
  /** In the builder's container, since it started. */
  readonly builder: number | undefined;
}

/** Determines whether the kernel killed a builder's step for memory. */
export class MemoryKills {
  readonly #read: () => Promise<number | undefined>;
  #first: Promise<void> | undefined;
  /** The builder's count when it was last read, which is once and whenever the machine's has grown. */
  #builder: number | undefined;

  /** @param container the builder's own; undefined if it is a part of the engine, whose groups aren't visible from here */
  constructor(engine: Docker, container: string | undefined) {
    this.#read = async () => {
      if (container === undefined) return undefined;
      const { stdout } = await captureIn(engine, container, ['sh', '-c', COUNT_SCRIPT], TIMEOUT_MS);
      return readGroupCount(stdout);
    };
  }

  /** Returns the counts before a run. Never rejects. @param isElsewhere whether the run is on a builder of its own, whose count isn't read */
  async before(isElsewhere: boolean): Promise<KillCounts> {
    this.#first ??= this.#update();
    await this.#first;
    return { machine: await memoryKills(), builder: isElsewhere ? undefined : this.#builder };
  }

  /** Returns the counts after a run that began with the counts `before`. Never rejects. */
  async after(before: KillCounts): Promise<KillCounts> {
    const machine = await memoryKills();
    if (machine !== before.machine) await this.#update();
    return { machine, builder: this.#builder };
  }

  async #update(): Promise<void> {
    this.#builder = await this.#read().catch(() => undefined);
  }
}

/**
 * Returns how many processes the kernel has killed for memory since the machine started: its own and those in containers, whatever their limits.
 * Undefined if the machine doesn't report it.
 */
async function memoryKills(): Promise<number | undefined> {
  return readKills(await readFile('/proc/vmstat', 'utf8').catch(() => ''));
}

/** Parses /proc/vmstat, or `memory.events` of a cgroup. */
export function readKills(text: string): number | undefined {
  const [, count] = /^oom_kill (\d+)$/m.exec(text) ?? [];
  return count === undefined ? undefined : Number(count);
}

/** Parses what `COUNT_SCRIPT` prints: `memory.events`, or only a number. */
export function readGroupCount(text: string): number | undefined {
  return /^\d+\n?$/.test(text) ? Number(text) : readKills(text);
}

/**
 * Whether a process of the builder was killed for memory. What the machine counts may have happened anywhere on it, so it decides only if the builder's
 * own count can't be read.
 */
export function ranOutOfMemory(before: KillCounts, after: KillCounts): boolean {
  if (before.machine === undefined || after.machine === undefined || after.machine <= before.machine) return false;
  if (before.builder === undefined || after.builder === undefined) return true;
  // A lower count is one of a container that was started again meanwhile.
  return after.builder < before.builder ? after.builder > 0 : after.builder > before.builder;
}

/**
 * Gives the failure of a step that was killed the code `out_of_memory`, if processes were killed for memory during the run. The exit code alone
 * doesn't tell: whatever sends SIGKILL causes it.
 * @param before counts at the beginning of the run, and after its end
 * @param limitBytes limit of the memory of all steps of the builder together
 */
export function namingMemory(
  outcome: RunOutcome,
  before: KillCounts,
  after: KillCounts,
  limitBytes: number | undefined,
): RunOutcome {
  const { failure } = outcome;
  if (failure?.code !== 'step_failed' || failure.exitCode !== SIGKILLED) return outcome;
  if (!ranOutOfMemory(before, after)) return outcome;
  const where = failure.step === undefined ? 'a RUN' : (failure.step.split('\n', 1)[0] ?? '').slice(0, 200);
  const limit =
    limitBytes === undefined
      ? 'the host’s memory, which no setting limits for steps'
      : `the limit of all steps of the builder together, ${limitBytes} bytes`;
  const message = `${where}: killed because memory ran out (exit code ${SIGKILLED}); it had ${limit}`;
  return { ...outcome, failure: { ...failure, code: 'out_of_memory', message } };
}
