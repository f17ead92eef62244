import { setTimeout as delay } from 'node:timers/promises';
import type { BuilderFault } from '@kiln/domain';
import type Docker from 'dockerode';
import { callEngine, hasStatus } from '../engine/engine.ts';
import { startFault } from '../outcome/builder-fault.ts';

const LOG_LINES = 200;
const MAX_EVENTS_BYTES = 1_000_000;
/** How long an engine on a busy machine may take to notice that a container has ended, ms. */
const NOTICED_WITHIN_MS = 5_000;
const LOOK_AGAIN_MS = 200;

/** What became of a builder's container in a period. */
interface DaemonState {
  /** Whether it ended and was started again, or is down. */
  readonly died: boolean;
  /** Whether the kernel killed a process in it because it had used up its memory. */
  readonly outOfMemory: boolean;
  /** Its limit, if it has one. */
  readonly memoryBytes: number | undefined;
}

/** Reads from the engine what became of a container since `sinceMs` (ms since the epoch). @throws EngineError */
async function daemonState(engine: Docker, container: string, sinceMs: number): Promise<DaemonState> {
  const [inspected, events] = await Promise.all([
    callEngine(`inspect ${container}`, (abortSignal) => engine.getContainer(container).inspect({ abortSignal })),
    pastEvents(engine, container, sinceMs),
  ]);
  const { State, HostConfig } = inspected;
  const memoryBytes = HostConfig.Memory || undefined;
  const isDown = !State.Running || State.Restarting;
  return {
    died: isDown || events.includes('die'),
    outOfMemory: events.includes('oom') || (isDown && State.OOMKilled),
    memoryBytes,
  };
}

/**
 * Determines why a builder's daemon failed a run that began at `sinceMs`; undefined if it didn't. A run loses its connection
 * before the engine learns that the container has ended, so a container that still seems to run is looked at again for a while.
 * @throws EngineError
 */
export async function daemonFault(
  engine: Docker,
  container: string,
  sinceMs: number,
): Promise<BuilderFault | undefined> {
  const giveUpAt = performance.now() + NOTICED_WITHIN_MS;
  let state = await daemonState(engine, container, sinceMs);
  while (!state.died && performance.now() < giveUpAt) {
    await delay(LOOK_AGAIN_MS);
    state = await daemonState(engine, container, sinceMs);
  }
  const { died, outOfMemory, memoryBytes } = state;
  if (!died) return undefined;
  if (!outOfMemory) return { state: 'down', message: 'the container of BuildKit ended' };
  const limit = memoryBytes === undefined ? '' : `, whose limit is ${memoryBytes} bytes`;
  return { state: 'out_of_memory', message: `BuildKit was killed for memory in its container${limit}` };
}

/**
 * Determines why a builder can't be started.
 * @param error what its start failed with
 * @throws EngineError
 */
export async function whyDown(engine: Docker, container: string, error: string): Promise<BuilderFault> {
  const unknown: BuilderFault = { state: 'down', message: error };
  try {
    const log = await callEngine(`read the log of ${container}`, (abortSignal) =>
      engine.getContainer(container).logs({ stdout: true, stderr: true, tail: LOG_LINES, abortSignal }),
    );
    return startFault(log.toString('utf8')) ?? unknown;
  } catch (failure) {
    // There is no container yet.
    if (hasStatus(failure, 404)) return unknown;
    throw failure;
  }
}

/** Returns the actions of a container's events since `sinceMs`, as far as the engine remembers them. */
async function pastEvents(engine: Docker, container: string, sinceMs: number): Promise<string[]> {
  const text = await callEngine(`read the events of ${container}`, async (abortSignal) => {
    const stream = (await engine.getEvents({
      since: sinceMs / 1000,
      until: Date.now() / 1000,
      filters: { container: [container], event: ['oom', 'die'] },
      abortSignal,
    })) as unknown as AsyncIterable<Buffer>;
    let read = '';
    for await (const chunk of stream) {
      read += String(chunk);
      if (read.length > MAX_EVENTS_BYTES) break;
    }
    return read;
  });
  return [...text.matchAll(/"Action":"(\w+)"/g)].map(([, action = '']) => action);
}
