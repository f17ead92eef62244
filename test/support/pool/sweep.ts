import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containersOf, removeContainer } from '../engine.ts';
import type { ManagedProcess } from '../process.ts';
import type { HangingBuild } from './hanging-build.ts';

const STOPPED_TIMEOUT_MS = 10_000;

export interface StoppedWorker {
  readonly process: ManagedProcess;
  readonly dataDir: string;
  /** Socket of its engine; undefined for this machine's engine. */
  readonly socket: string | undefined;
}

/**
 * Removes all containers of a worker that has ended. One of a worker that was killed is expected; one of a worker that stopped in order is
 * a leak. Returns the leaks.
 */
export async function sweepContainers({ process, dataDir, socket }: StoppedWorker): Promise<string[]> {
  const machine = await readFile(join(dataDir, 'machine-id'), 'utf8').catch(() => undefined);
  if (machine === undefined) return [];
  const { code } = await process.exited;
  const containers = await containersOf(machine.slice(0, 8), socket);
  for (const container of containers) await removeContainer(container, socket);
  return code === 0 ? containers.map((container) => `container ${container}`) : [];
}

/** Ends the RUN processes that are left of a build. Returns a leak if there is one. */
export async function sweepHanging(build: HangingBuild): Promise<string[]> {
  try {
    await build.stopped(STOPPED_TIMEOUT_MS);
    return [];
  } catch {
    await build.release();
    return [`a RUN process of build ${build.id}`];
  }
}
