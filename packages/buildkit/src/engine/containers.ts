import type Docker from 'dockerode';
import { callEngine, hasStatus } from './engine.ts';

const REMOVE_TIMEOUT_MS = 60_000;

/** Removes a container with its anonymous volumes; does nothing if it doesn't exist. @throws EngineError */
export async function removeContainer(engine: Docker, name: string): Promise<void> {
  const remove = () => engine.getContainer(name).remove({ force: true, v: true });
  try {
    await callEngine(`remove ${name}`, remove, REMOVE_TIMEOUT_MS);
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** Stops a container; its volumes stay. It isn't restarted by its restart policy. @throws EngineError */
export async function stopContainer(engine: Docker, name: string): Promise<void> {
  try {
    await callEngine(`stop ${name}`, () => engine.getContainer(name).stop({ t: 10 }), REMOVE_TIMEOUT_MS);
  } catch (error) {
    // 304: it isn't running.
    if (!hasStatus(error, 304, 404)) throw error;
  }
}
