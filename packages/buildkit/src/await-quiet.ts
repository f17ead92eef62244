import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './builder-options.ts';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import { BuildkitControl } from './buildkit-control.ts';

const POLL_MS = 25;
const MAX_WAIT_MS = 10_000;

/**
 * Waits until BuildKit has let go of a build whose buildx was killed: it notices the closed session only some 50 ms later,
 * and until then the RUN goes on. Gives up after a while, or where BuildKit itself is gone.
 */
export async function awaitQuiet(connection: ConnectBuildkit, ref: string, log: Logger): Promise<void> {
  try {
    await using control = await BuildkitControl.open(connection);
    const until = Date.now() + MAX_WAIT_MS;
    while (await control.isActive(ref)) {
      if (Date.now() > until) return log.error({ ref }, 'BuildKit goes on with a build that was stopped');
      await delay(POLL_MS);
    }
  } catch (error) {
    log.warn({ err: error, ref }, 'BuildKit could not be asked whether a stopped build has ended');
  }
}
