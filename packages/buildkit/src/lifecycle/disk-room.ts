import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import { captureIn } from '../tool/capture-in.ts';

const TIMEOUT_MS = 15_000;
/** BuildKit removes what a failed build had written only some time after its end. */
const SETTLE_MS = 10_000;
const POLL_MS = 500;
/** A disk with less free space than this share of it, and less than this many bytes, is full. */
const FULL_SHARE = 0.02;
const FULL_BYTES = 1_000_000_000;

/** Free and total bytes of a file system. */
export interface DiskRoom {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Measures the file system of `path` in a running container. @throws EngineError @throws Error if `df` fails */
export async function diskRoom(engine: Docker, container: string, path: string): Promise<DiskRoom> {
  const { stdout, stderr } = await captureIn(engine, container, ['df', '-Pk', path], TIMEOUT_MS);
  const room = readDf(stdout);
  if (!room) throw new Error(`df ${path} in ${container}: got ${JSON.stringify(stdout || stderr)}`);
  return room;
}

/** Parses what `df -Pk` prints for one path. */
export function readDf(text: string): DiskRoom | undefined {
  const [, total, free] = / (\d+) +\d+ +(\d+) +\d+% \S/.exec(text) ?? [];
  return total === undefined ? undefined : { totalBytes: Number(total) * 1024, freeBytes: Number(free) * 1024 };
}

export function isFull({ freeBytes, totalBytes }: DiskRoom): boolean {
  return freeBytes < Math.min(FULL_BYTES, totalBytes * FULL_SHARE);
}

/** Returns whether a disk is still full when what a failed build had written has been removed. @throws as `measure` */
export async function staysFull(measure: () => Promise<DiskRoom>): Promise<boolean> {
  for (const until = Date.now() + SETTLE_MS; ; await delay(POLL_MS)) {
    if (!isFull(await measure())) return false;
    if (Date.now() > until) return true;
  }
}
