import type Docker from 'dockerode';
import { captureIn } from './capture-in.ts';

const TIMEOUT_MS = 10_000;
/** Prints the script's own pid, and the kernel's line about each process. The shell becomes the `cat`. */
const PROCESSES = 'echo $$; exec cat /proc/[0-9]*/stat 2>/dev/null';
/**
 * Programs that a builder's container runs for itself: the daemon, what starts it, what it starts containers with, and connections to it. A process of any
 * other name may belong to a step. One of these names that does belong to a step only makes the builder seem idle while that process uses no CPU.
 */
const OWN =
  /^(?:buildkitd|dockerd|containerd|containerd-shim.*|docker-init|tini|(?:buildkit-)?runc(?::\[.*)?|buildctl)$/;

/** What a builder's container is doing. */
export interface DaemonActivity {
  /** Number of processes that may belong to steps or fetch something for them. */
  readonly working: number;
  /** CPU time that its daemon has used since it started, ms. */
  readonly cpuMs: number;
}

/** Reads what the container of a builder is doing. @throws EngineError @throws Error if it can't be read */
export async function daemonActivity(engine: Docker, container: string): Promise<DaemonActivity> {
  const { stdout, stderr } = await captureIn(engine, container, ['sh', '-c', PROCESSES], TIMEOUT_MS);
  const activity = readActivity(stdout);
  if (!activity) throw new Error(`processes of ${container}: got ${JSON.stringify((stdout || stderr).slice(0, 200))}`);
  return activity;
}

/** Parses what `PROCESSES` prints; undefined if the daemon isn't in it. */
export function readActivity(text: string): DaemonActivity | undefined {
  const [self, ...lines] = text.split('\n');
  let working = 0;
  let cpuMs: number | undefined;
  for (const line of lines) {
    // A name may contain anything, also spaces and parentheses.
    const [start, end] = [line.indexOf(' ('), line.lastIndexOf(') ')];
    const name = line.slice(start + 2, end);
    // The fields after it begin with the state; utime and stime are in hundredths of a second on all architectures.
    const fields = line.slice(end + 2).split(' ');
    if (start < 0 || end < start || line.slice(0, start) === self || fields[0] === 'Z') continue;
    if (!OWN.test(name)) working += 1;
    else cpuMs = (cpuMs ?? 0) + (Number(fields[11]) + Number(fields[12])) * 10;
  }
  return cpuMs === undefined ? undefined : { working, cpuMs };
}
