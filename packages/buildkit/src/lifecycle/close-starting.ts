import { setTimeout as delay } from 'node:timers/promises';
import type { HostBuilders } from './host-builders.ts';

/** Longer than builders take to start if no image has to be pulled. */
const START_LIMIT_MS = 15_000;

/**
 * Closes builders that may still be starting: what they have started by then would otherwise be left running. Gives up if they take too long, as when an
 * image is being pulled; the next start then removes what is left. @throws EngineError
 */
export async function closeStarting(starting: Promise<Pick<HostBuilders, 'close'>>): Promise<void> {
  const started = starting.catch(() => undefined);
  const builders = await Promise.race([started, delay(START_LIMIT_MS, undefined, { ref: false })]);
  await builders?.close();
}
