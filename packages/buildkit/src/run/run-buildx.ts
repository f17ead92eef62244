import { messageOf } from '../engine/message-of.ts';
import type { Halt } from '../outcome/halt.ts';
import type { ProgressReader } from '../progress/progress-reader.ts';
import type { ToolProcess } from '../tool/tool-process.ts';
import type { ArtifactPipe } from './artifact-pipe.ts';
import type { RunHost } from './run-host.ts';
import { SpillQueue } from './spill-queue.ts';
import { StallWatch } from './stall-watch.ts';
import { stopProcess } from './stop-process.ts';

/** How much progress waits in memory for a slow log before it goes to the disk. */
const PROGRESS_MEMORY_BYTES = 4 * 1024 * 1024;

export interface BuildxCall {
  /** Arguments of `docker-buildx`. */
  readonly argv: readonly string[];
  /** Variables, `NAME=value`. */
  readonly env: readonly string[];
  /** `uid:gid`. */
  readonly user: string;
  /** Where it writes its pid: a file that doesn't exist yet. */
  readonly pidFile: string;
  /** For progress that arrives faster than the log takes it. */
  readonly spillFile: string;
  readonly reader: ProgressReader;
  /** Takes the standard output. */
  readonly artifact?: ArtifactPipe | undefined;
}

/**
 * Executes buildx in the tool container. Resolves when it has exited, or was stopped by `halt`, and all of its progress is delivered.
 * @returns its exit code; undefined if the engine could no longer report it
 */
export async function runBuildx(host: RunHost, call: BuildxCall, halt: Halt): Promise<number | undefined> {
  const { reader, artifact } = call;
  const process = await host.tool.start({
    argv: [host.paths.exec, host.paths.fence, call.pidFile, 'docker-buildx', ...call.argv],
    user: call.user,
    env: [...call.env],
  });
  await using progress = new SpillQueue(call.spillFile, PROGRESS_MEMORY_BYTES);
  using stall = stallWatch(host, reader, halt);
  const ended = pump(process, progress, artifact, halt, stall);
  const delivered = deliver(progress, reader, halt, stall);
  const stopped = stopOnHalt(host, call.pidFile, process, ended, halt);
  await ended;
  // The outcome is decided only when the whole log is delivered, even if the log is slower than the build was.
  await delivered;
  const [exitCode] = await Promise.all([process.exitCode(), stopped]);
  return exitCode;
}

function stallWatch(host: RunHost, reader: ProgressReader, halt: Halt): StallWatch | undefined {
  return (
    host.stall &&
    new StallWatch({
      ...host.stall,
      running: () => reader.running,
      onStuck(fault) {
        halt.fail({ code: 'infrastructure', message: `the builder is stuck: ${fault.message}` }, fault);
      },
      now: () => performance.now(),
      log: host.log,
    })
  );
}

/** Reads buildx's output to its end, without delay: a buildx whose output isn't read blocks, and soon gives up (see `readRest`). */
async function pump(
  process: ToolProcess,
  progress: SpillQueue,
  artifact: ArtifactPipe | undefined,
  halt: Halt,
  stall: StallWatch | undefined,
): Promise<void> {
  for await (const { stream, data } of process.output()) {
    try {
      stall?.arrived(stream === 'stderr' ? data.length : 0);
      if (stream === 'stderr') await progress.push(data);
      else await artifact?.write(data);
    } catch (error) {
      halt.fail({ code: 'infrastructure', message: `buildx’s output could not be stored: ${messageOf(error)}` });
    }
  }
  progress.end();
}

/** Turns progress into records, as fast as the log takes them. */
async function deliver(
  progress: SpillQueue,
  reader: ProgressReader,
  halt: Halt,
  stall: StallWatch | undefined,
): Promise<void> {
  for await (const data of progress.chunks()) {
    try {
      await reader.push(data);
      stall?.taken(data.length);
    } catch (error) {
      halt.fail({ code: 'infrastructure', message: `buildx’s progress could not be read: ${messageOf(error)}` });
    }
  }
}

async function stopOnHalt(
  host: RunHost,
  pidFile: string,
  process: ToolProcess,
  ended: Promise<void>,
  halt: Halt,
): Promise<void> {
  const halted = new Promise<boolean>((resolve) => {
    if (halt.signal.aborted) resolve(true);
    else halt.signal.addEventListener('abort', () => resolve(true), { once: true });
  });
  const first = await Promise.race([halted, ended.then(() => false)]);
  if (first) await stopProcess({ tool: host.tool, paths: host.paths, pidFile, process, ended, log: host.log });
}
