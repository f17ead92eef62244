import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../engine/logger.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import type { ToolProcess } from '../tool/tool-process.ts';
import type { ToolPaths } from '../tool/tool-scripts.ts';

/** On SIGTERM buildx cancels the build in BuildKit, and waits for its last statuses. */
const TERM_GRACE_MS = 2_000;
const KILL_WAIT_MS = 10_000;

interface Stoppable {
  readonly tool: ToolContainer;
  readonly paths: ToolPaths;
  /** File with the process's pid. */
  readonly pidFile: string;
  readonly process: ToolProcess;
  /** Resolves when the process's output has ended. */
  readonly ended: Promise<unknown>;
  readonly log: Logger;
}

/**
 * Stops buildx: SIGTERM, and SIGKILL after a grace period. Closing the connection of an exec doesn't end its process. If the engine no longer
 * answers, abandons the process's output, so that the run itself ends.
 */
export async function stopProcess(target: Stoppable): Promise<void> {
  const { process, ended, log } = target;
  const gone = ended.then(() => true);
  const goneWithin = (ms: number) => Promise.race([gone, delay(ms, false, { ref: false })]);
  await Promise.race([signal(target, 'TERM'), gone]);
  if (await goneWithin(TERM_GRACE_MS)) return;
  await signal(target, 'KILL');
  if (await goneWithin(KILL_WAIT_MS)) return;
  log.error({}, 'buildx could not be stopped');
  process.abandon();
}

async function signal({ tool, paths, pidFile, log }: Stoppable, name: 'TERM' | 'KILL'): Promise<void> {
  try {
    await tool.signal([paths.kill, pidFile, name]);
  } catch (error) {
    log.warn({ err: error, signal: name }, 'buildx could not be signalled');
  }
}
