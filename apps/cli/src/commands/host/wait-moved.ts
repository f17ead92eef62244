import { setTimeout as delay } from 'node:timers/promises';
import { type KilnClient, KilnUnreachable } from '@kiln/client';
import type { Io } from '../../io/output.ts';
import { type Transfer, transfersOf, transferText } from './transfers.ts';

const EVERY_MS = 1_000;
/** Within this time the pool goes on after a part of a transfer, ms: it has the saved caches filled, or begins the next transfer. */
const GOES_ON_MS = 5_000;

export interface MovedOptions {
  readonly io: Io;
  readonly signal: AbortSignal;
  /** How long no transfer must have been under way, ms: the pool begins them a moment after the drain. */
  readonly quietMs: number;
}

/** Waits until no caches of a host are being copied to other hosts, and says which are. @throws the signal's reason */
export async function waitMoved(
  client: KilnClient,
  name: string,
  { io, signal, quietMs }: MovedOptions,
): Promise<void> {
  let quietSince: number | undefined;
  let said: string | undefined;
  for (;;) {
    const transfers = await look(client, name, signal);
    if (transfers === 'unknown' || transfers.length > 0) quietSince = undefined;
    else quietSince ??= performance.now();
    if (quietSince !== undefined && performance.now() - quietSince >= (said === undefined ? quietMs : GOES_ON_MS))
      return;
    for (const text of transfers === 'unknown' ? [] : transfers.slice(0, 1).map(transferText)) {
      if (text !== said) io.err.line(`kiln: ${name} is giving its caches to other hosts; ${text}`);
      said = text;
    }
    await delay(EVERY_MS, undefined, { signal });
  }
}

/** The transfers to other hosts that can go on: tasks of hosts that are away are not waited for. */
async function look(client: KilnClient, name: string, signal: AbortSignal): Promise<readonly Transfer[] | 'unknown'> {
  try {
    const all = await transfersOf(client, name, signal);
    return all.filter(({ from, to, task }) => from === name && to !== undefined && isLive(task.hostState));
  } catch (error) {
    if (error instanceof KilnUnreachable && !signal.aborted) return 'unknown';
    throw error;
  }
}

function isLive(hostState: Transfer['task']['hostState']): boolean {
  return hostState === undefined || hostState === 'live';
}
