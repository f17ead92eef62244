import type { Outcome } from '@kiln/domain';
import { ArtifactPipe } from './artifact-pipe.ts';
import { awaitQuiet } from './await-quiet.ts';
import { stopCause } from './build-stop.ts';
import type { Logger, RunRequest } from './builder-options.ts';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import { type BuildxFeatures, type BuildxInvocation, buildxArguments, unenforcedLimits } from './buildx-arguments.ts';
import { ContextUnusable } from './context-dir.ts';
import { StatusDecoder } from './decode-status.ts';
import { Halt } from './halt.ts';
import { maskText, secretNeedles } from './mask-secrets.ts';
import { messageOf } from './message-of.ts';
import { neverStarted, outcomeOf } from './outcome.ts';
import { PlainLines } from './plain-lines.ts';
import { RecordSink } from './record-sink.ts';
import { RunFiles } from './run-files.ts';
import { ProgressScanner, type ScannedItem } from './scan-progress.ts';
import { solveStatus } from './solve-status.ts';
import { SpillQueue } from './spill-queue.ts';
import { stopProcess } from './stop-process.ts';
import type { ToolContainer } from './tool-container.ts';
import type { ToolProcess } from './tool-process.ts';
import type { ToolPaths } from './tool-scripts.ts';

/** Progress that a log may lag behind by without the disk. */
const PROGRESS_MEMORY_BYTES = 4 * 1024 * 1024;

/** What runs of one builder share. */
export interface RunHost {
  readonly tool: ToolContainer;
  readonly paths: ToolPaths;
  readonly builder: string;
  readonly features: BuildxFeatures;
  readonly connectBuildkit: ConnectBuildkit;
  readonly log: Logger;
  /** Ms since the epoch. */
  now(): number;
}

/** Runs one build from beginning to end; resolves when its buildx is gone. */
export async function runBuild(host: RunHost, request: RunRequest, signal: AbortSignal): Promise<Outcome> {
  const { spec } = request;
  if (spec.output.type === 'artifact' && !request.artifact) throw new Error('an artifact, and nobody to take it');
  if (signal.aborted) return neverStarted(stopCause(signal.reason), spec);
  using halt = new Halt(signal, spec.timeoutSeconds * 1000);
  await using files = await RunFiles.create(host.paths, `${request.buildId}-${request.attempt}`);
  const context = await contextOf(request, files, halt);
  if ('end' in context) return context;
  const { env, places } = await files.placeSecrets(request.secrets);
  const argv = buildxArguments({
    builder: host.builder,
    spec,
    repo: request.repo,
    context,
    secrets: places,
    metadataFile: files.metadataFile,
    features: host.features,
  });
  using sink = new RecordSink(request.sink, halt);
  const reader = new ProgressReader(request, host, sink);
  await reader.warnOfLimits();
  const process = await host.tool.start({
    argv: [host.paths.exec, host.paths.fence, files.pidFile, 'docker-buildx', ...argv],
    env: [`BUILDX_CONFIG=${files.buildxConfig}`, ...env],
  });
  const artifact =
    spec.output.type === 'artifact' && request.artifact ? new ArtifactPipe(request.artifact, halt) : undefined;
  await using progress = new SpillQueue(files.spillFile, PROGRESS_MEMORY_BYTES);
  const ended = pump(process, progress, artifact, halt);
  const told = tell(progress, reader, halt);
  const stopped = stopOnHalt(host, files, process, ended, halt);
  await ended;
  // Also where the log is slower than the build was: nothing is settled before all of it is told.
  await told;
  const exitCode = await process.exitCode();
  await stopped;
  await reader.end();
  const ref = exitCode === 0 || reader.idle ? undefined : await files.ref();
  if (ref !== undefined) await awaitQuiet(host.connectBuildkit, ref, host.log);
  const stored = await artifact?.finish(exitCode === 0);
  return outcomeOf({
    spec,
    exitCode,
    halted: halt.reason,
    ...reader.facts(),
    metadata: exitCode === 0 ? await files.metadata() : {},
    artifact: stored,
  });
}

/** Takes buildx's progress from its stderr to the sink. */
class ProgressReader {
  readonly #scanner = new ProgressScanner();
  readonly #lines = new PlainLines();
  readonly #decoder: StatusDecoder;
  readonly #needles: readonly string[];
  readonly #sink: RecordSink;
  readonly #host: RunHost;
  readonly #request: RunRequest;

  constructor(request: RunRequest, host: RunHost, sink: RecordSink) {
    this.#request = request;
    this.#host = host;
    this.#sink = sink;
    this.#needles = secretNeedles(request.secrets.values());
    this.#decoder = new StatusDecoder(this.#needles, request.spec.output.type === 'push' ? request.spec.tags : []);
  }

  async push(data: Buffer): Promise<void> {
    for (const item of this.#scanner.push(data)) await this.#take(item);
  }

  async end(): Promise<void> {
    for (const item of this.#scanner.end()) await this.#take(item);
    await this.#sink.deliver(this.#decoder.end());
  }

  async warnOfLimits(): Promise<void> {
    for (const limit of unenforcedLimits(this.#request.spec, this.#host.features)) {
      await this.#warn(`resources.${limit} is not enforced: this host's buildx has no such limit`);
    }
  }

  /** Whether BuildKit has said the end of all that it began. */
  get idle(): boolean {
    return this.#decoder.idle;
  }

  facts() {
    const { counts, failed, pushed } = this.#decoder;
    return { counts, failed, pushed, lines: this.#lines.list() };
  }

  async #take(item: ScannedItem): Promise<void> {
    switch (item.type) {
      case 'status':
        return await this.#sink.deliver(this.#decoder.decode(solveStatus(item.value), this.#host.now()));
      case 'dropped':
        return await this.#warn(`${item.bytes} bytes of progress output were too long to read`);
      case 'line': {
        const line = maskText(item.text, this.#needles);
        this.#lines.push(line);
        if (line.startsWith('WARNING: ')) await this.#warn(line.slice('WARNING: '.length));
      }
    }
  }

  async #warn(message: string): Promise<void> {
    await this.#sink.deliver([{ t: this.#host.now(), type: 'warning', message }]);
  }
}

/**
 * Reads to the end whatever happens, and at once: a buildx that nobody reads from stands still, and one that is still
 * printing 3 s after its build is done gives up with `failed to receive status` (moby/buildkit client/solve.go).
 */
async function pump(
  process: ToolProcess,
  progress: SpillQueue,
  artifact: ArtifactPipe | undefined,
  halt: Halt,
): Promise<void> {
  for await (const { stream, data } of process.output()) {
    try {
      if (stream === 'stderr') await progress.push(data);
      else await artifact?.write(data);
    } catch (error) {
      halt.fail({ code: 'infrastructure', message: `buildx’s output could not be taken: ${messageOf(error)}` });
    }
  }
  progress.end();
}

/** Makes records of the progress, as fast as the log takes them. */
async function tell(progress: SpillQueue, reader: ProgressReader, halt: Halt): Promise<void> {
  for await (const data of progress.chunks()) {
    try {
      await reader.push(data);
    } catch (error) {
      halt.fail({ code: 'infrastructure', message: `buildx’s progress could not be read: ${messageOf(error)}` });
    }
  }
}

/** What buildx builds from; or the outcome, where there is nothing to build from. */
async function contextOf(
  { source, spec }: RunRequest,
  files: RunFiles,
  halt: Halt,
): Promise<BuildxInvocation['context'] | Outcome> {
  if (source.type === 'git') return source;
  try {
    const unpacked = await files.unpackContext(() => source.open(), spec.dockerfile, halt.signal);
    return { type: 'directory', ...unpacked };
  } catch (error) {
    if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, spec);
    if (error instanceof ContextUnusable) return { end: 'failed', failure: error.failure };
    throw error;
  }
}

async function stopOnHalt(
  host: RunHost,
  files: RunFiles,
  process: ToolProcess,
  ended: Promise<void>,
  halt: Halt,
): Promise<void> {
  const halted = new Promise<boolean>((resolve) => {
    if (halt.signal.aborted) resolve(true);
    else halt.signal.addEventListener('abort', () => resolve(true), { once: true });
  });
  const first = await Promise.race([halted, ended.then(() => false)]);
  if (first) await stopProcess({ tool: host.tool, paths: host.paths, files, process, ended, log: host.log });
}
