import type { BuildSpec } from '@kiln/contracts';
import type { AllowedFrontends, Failure, Outcome, Trust } from '@kiln/domain';
import { ArtifactPipe } from './artifact-pipe.ts';
import { awaitQuiet } from './await-quiet.ts';
import { stopCause } from './build-stop.ts';
import type { ContextSource, Logger, RunRequest } from './builder-options.ts';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import { BuildkitControl } from './buildkit-control.ts';
import { type BuildxFeatures, type BuildxInvocation, buildxArguments } from './buildx-arguments.ts';
import { checkFrontend, dockerfileHead } from './check-frontend.ts';
import { ContextUnusable } from './context-dir.ts';
import type { BuildHistory } from './control-messages.ts';
import type { SourcePolicy } from './egress/source-policy.ts';
import { Halt } from './halt.ts';
import { messageOf } from './message-of.ts';
import { neverStarted, outcomeOf } from './outcome.ts';
import { ProgressReader } from './progress-reader.ts';
import { RecordSink } from './record-sink.ts';
import { RunFiles } from './run-files.ts';
import type { RunOwner } from './run-owner.ts';
import { SpillQueue } from './spill-queue.ts';
import { stopProcess } from './stop-process.ts';
import type { ToolContainer } from './tool-container.ts';
import type { ToolProcess } from './tool-process.ts';
import type { ToolPaths } from './tool-scripts.ts';

/** Progress that a log may lag behind by without the disk. */
const PROGRESS_MEMORY_BYTES = 4 * 1024 * 1024;

/** What runs of one builder share. */
export interface RunHost {
  readonly trust: Trust;
  readonly tool: ToolContainer;
  readonly owner: RunOwner;
  readonly paths: ToolPaths;
  readonly builder: string;
  readonly features: BuildxFeatures;
  readonly connectBuildkit: ConnectBuildkit;
  /** Frontends that builds may name, and whether BuildKit keeps to them by itself. */
  readonly frontends: { readonly allowed: AllowedFrontends; readonly isEnforced: boolean };
  /** Directory of the host's own registry logins. */
  readonly dockerConfigDir?: string | undefined;
  /** What BuildKit may fetch from for a build; undefined: from everywhere. */
  sourcePolicy(source: ContextSource): SourcePolicy | undefined;
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
  await using files = await RunFiles.create(host.paths, host.owner, `${request.buildId}-${request.attempt}`);
  const context = await contextOf(host, request, files, halt);
  if ('end' in context) return context;
  const { env, places } = await files.placeSecrets(request.secrets);
  await files.placeLogins(request.registryLogins ?? [], host.dockerConfigDir);
  const policy = await files.placeSourcePolicy(host.sourcePolicy(request.source));
  const argv = buildxArguments({
    builder: host.builder,
    trust: host.trust,
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
    user: await files.giveAway(),
    // A context may have a .git with settings that name programs: buildx would run git in it.
    env: [...files.env, 'BUILDX_GIT_INFO=false', ...policy, ...env],
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
  const [exitCode] = await Promise.all([process.exitCode(), reclaim(files, host.log), stopped]);
  await reader.endOfText();
  const ref = exitCode === 0 && reader.idle ? undefined : await files.ref();
  if (ref !== undefined && !reader.idle) await awaitQuiet(host.connectBuildkit, ref, host.log);
  const history = ref === undefined || halt.reason ? undefined : await readRest(host, ref, reader);
  await reader.end();
  const made = history && exitCode !== 0 && reader.brokenOff && isAllDone(spec, history, reader) ? history : undefined;
  const stored = await artifact?.finish(exitCode === 0 || made !== undefined);
  return outcomeOf({
    spec,
    exitCode: made ? 0 : exitCode,
    halted: halt.reason,
    ...reader.facts(),
    metadata: made?.metadata ?? (exitCode === 0 ? await files.metadata() : {}),
    artifact: stored,
  });
}

/** Where the tool container is gone with the build there is nothing to be learned from its files. */
async function reclaim(files: RunFiles, log: Logger): Promise<void> {
  try {
    await files.reclaim();
  } catch (error) {
    log.warn({ err: error }, 'a run’s files could not be read');
  }
}

/** Reads to the end whatever happens, and at once: a buildx that nobody reads from stands still, and soon breaks off (`readRest`). */
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

/**
 * Takes from BuildKit what buildx left untold, and how the build ended. A buildx that is still printing some seconds after its
 * build is done leaves the rest out, and says the build had failed, or not even that (moby/buildkit client/solve.go). Whether
 * it did can't be seen by what it told: a step's end may come before the rest of its output.
 */
async function readRest(host: RunHost, ref: string, reader: ProgressReader): Promise<BuildHistory | undefined> {
  try {
    await using control = await BuildkitControl.open(host.connectBuildkit);
    const history = await control.history(ref);
    if (history) await reader.takeRest(control.status(ref));
    return history;
  } catch (error) {
    host.log.warn({ err: error, ref }, 'the rest of a build’s progress could not be read');
    return undefined;
  }
}

/** Whether BuildKit did all that was asked for; what buildx itself does after a build, it then didn't do. */
function isAllDone(spec: BuildSpec, history: BuildHistory, reader: ProgressReader): boolean {
  if (history.failed) return false;
  const { pushed } = reader.facts();
  switch (spec.output.type) {
    case 'none':
    case 'artifact':
      return true;
    case 'push':
      return spec.tags.every((tag) => pushed.includes(tag));
    case 'load':
      return false;
  }
}

/** What buildx builds from; or the outcome, where there is nothing to build from. */
async function contextOf(
  host: RunHost,
  request: RunRequest,
  files: RunFiles,
  halt: Halt,
): Promise<BuildxInvocation['context'] | Outcome> {
  try {
    return await checkedContext(host, request, files, halt);
  } catch (error) {
    if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, request.spec);
    if (error instanceof ContextUnusable) return { end: 'failed', failure: error.failure };
    throw error;
  }
}

/** The context, with a Dockerfile that names no frontend but an allowed one. @throws ContextUnusable */
async function checkedContext(
  { frontends }: RunHost,
  { source, spec }: RunRequest,
  files: RunFiles,
  halt: Halt,
): Promise<BuildxInvocation['context']> {
  const check = (text: string | undefined) => {
    const failure = checkFrontend(frontends.allowed, spec, text);
    if (failure) throw new ContextUnusable(failure);
  };
  // A build argument’s before anything is read.
  check(undefined);
  if (source.type === 'tar') {
    const unpacked = await files.unpackContext(() => source.open(), spec.dockerfile, halt.signal);
    const text = await dockerfileHead(unpacked.dockerfile);
    if (text === undefined && frontends.allowed !== 'any')
      throw new ContextUnusable(untold(spec.dockerfile, 'too large'));
    check(text);
    return { type: 'directory', ...unpacked };
  }
  const { type, url, commit, subdir } = source;
  if (frontends.allowed === 'any' || frontends.isEnforced) return { type, url, commit, subdir };
  const read = await source.dockerfile?.(halt.signal).catch((error: unknown) => {
    if (halt.signal.aborted) throw error;
    throw new ContextUnusable(untold(spec.dockerfile, messageOf(error)));
  });
  if (!read) {
    const message = `failed to read dockerfile: open ${spec.dockerfile}: no such file or directory`;
    throw new ContextUnusable({ code: 'dockerfile_missing', message });
  }
  check(read.text);
  // The very text that was looked at: what BuildKit makes of the commit by itself, attributes or links may make another.
  return { type, url, commit, subdir, dockerfile: await files.placeDockerfile(spec.dockerfile, read) };
}

function untold(dockerfile: string, why: string): Failure {
  return { code: 'frontend_refused', message: `which frontend ${dockerfile} names can’t be told: ${why}` };
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
