import { setTimeout as delay } from 'node:timers/promises';
import { type KilnClient, KilnUnreachable } from '@kiln/client';
import type { HostInfoView } from '@kiln/contracts';

const EVERY_MS = 1_000;

/**
 * Yields a host as it is now and after each change, and undefined once it is gone from the pool. Retries while the API doesn't respond.
 * Throws the signal's reason when that aborts.
 */
export async function* watchHost(
  client: KilnClient,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<HostInfoView | undefined> {
  let before: string | undefined;
  for (;;) {
    const host = await look(client, name, signal);
    if (host !== 'unknown') {
      const now = host && JSON.stringify([host.state, host.builds, host.drain]);
      if (now !== before || host === undefined) yield host;
      before = now;
    }
    await delay(EVERY_MS, undefined, { signal });
  }
}

async function look(
  client: KilnClient,
  name: string,
  signal: AbortSignal,
): Promise<HostInfoView | undefined | 'unknown'> {
  try {
    return (await client.hosts({ signal })).find((host) => host.name === name);
  } catch (error) {
    if (error instanceof KilnUnreachable && !signal.aborted) return 'unknown';
    throw error;
  }
}
