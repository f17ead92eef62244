import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectBuildkit } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import type { Logger } from '../engine/logger.ts';

const POLL_MS = 25;
const MAX_WAIT_MS = 10_000;

/**
 * Waits until BuildKit has stopped a build whose buildx was killed: BuildKit notices the closed session only some 50 ms later, and runs
 * the step until then. Gives up after a while, or if BuildKit can't be reached.
 */
export async function awaitQuiet(connection: ConnectBuildkit, ref: string, log: Logger): Promise<void> {
  try {
    await using control = await BuildkitControl.open(connection);
    const until = Date.now() + MAX_WAIT_MS;
    while (await control.isActive(ref)) {
      if (Date.now() > until) return log.error({ ref }, 'BuildKit is still running a stopped build');
      await delay(POLL_MS);
    }
  } catch (error) {
    log.warn({ err: error, ref }, 'end of a stopped build could not be checked');
  }
}
