import { setTimeout as delay } from 'node:timers/promises';
import { type KilnClient, KilnUnreachable } from '@kiln/client';
import type { HostInfoView } from '@kiln/contracts';
import type { Io } from '../../io/output.ts';
import { type Transfer, transfersOf, transferText } from './transfers.ts';

const EVERY_MS = 1_000;
/** Within this time the scheduler says whether caches of a drained host have to move, ms. One of an older version never does. */
const DECIDES_MS = 3_000;
/** Within this time the pool goes on after a part of a transfer, ms: it has the saved caches filled, or begins the next transfer. */
const GOES_ON_MS = 5_000;

export interface MovedOptions {
  readonly io: Io;
  readonly signal: AbortSignal;
}

/**
 * Waits until no caches of a host are being copied to other hosts and, if it is drained, none have yet to be. Says which are.
 * @throws the signal's reason
 */
export async function waitMoved(client: KilnClient, name: string, { io, signal }: MovedOptions): Promise<void> {
  let quietSince: number | undefined;
  let said: string | undefined;
  for (;;) {
    const seen = await look(client, name, signal);
    if (seen === 'unknown' || seen.transfers.length > 0 || isMoving(seen)) quietSince = undefined;
    else quietSince ??= performance.now();
    if (seen !== 'unknown' && quietSince !== undefined) {
      const quietMs = isDecided(seen) ? 0 : said === undefined ? undecidedMs(seen) : GOES_ON_MS;
      if (performance.now() - quietSince >= quietMs) return;
    }
    for (const text of seen === 'unknown' ? [] : seen.transfers.slice(0, 1).map(transferText)) {
      if (text !== said) io.err.line(`kiln: ${name} is giving its caches to other hosts; ${text}`);
      said = text;
    }
    await delay(EVERY_MS, undefined, { signal });
  }
}

interface Seen {
  /** Undefined if it is gone. */
  readonly host: HostInfoView | undefined;
  /** The transfers to other hosts that can go on: tasks of hosts that are away are not waited for. */
  readonly transfers: readonly Transfer[];
}

function isMoving({ host }: Seen): boolean {
  return host?.state === 'drained' && host.drain?.caches === 'moving';
}

function isDecided({ host }: Seen): boolean {
  return host?.drain?.caches === 'moved';
}

/** How long to wait for the first transfer of a host about which the scheduler has said nothing, ms. */
function undecidedMs({ host }: Seen): number {
  return host?.state === 'drained' && host.caches?.mounts ? DECIDES_MS : 0;
}

async function look(client: KilnClient, name: string, signal: AbortSignal): Promise<Seen | 'unknown'> {
  try {
    const [all, hosts] = await Promise.all([transfersOf(client, name, signal), client.hosts({ signal })]);
    const transfers = all.filter(({ from, to, task }) => from === name && to !== undefined && isLive(task.hostState));
    return { host: hosts.find((host) => host.name === name), transfers };
  } catch (error) {
    if (error instanceof KilnUnreachable && !signal.aborted) return 'unknown';
    throw error;
  }
}

function isLive(hostState: Transfer['task']['hostState']): boolean {
  return hostState === undefined || hostState === 'live';
}
