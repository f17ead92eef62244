import { artifactsOf, type BuildSpec, pushedNames } from '@kiln/contracts';
import { outputTypes } from '@kiln/domain';
import { BuildkitControl } from '../control/buildkit-control.ts';
import type { BuildHistory } from '../control/control-messages.ts';
import type { Logger } from '../engine/logger.ts';
import { stopCause } from '../outcome/build-stop.ts';
import { explainForeignRun } from '../outcome/foreign-run.ts';
import { Halt } from '../outcome/halt.ts';
import { neverStarted, outcomeOf, type RunOutcome } from '../outcome/outcome.ts';
import { explainPush } from '../outcome/push-failure.ts';
import { ProgressReader } from '../progress/progress-reader.ts';
import { proxyArgs, proxySecrets } from '../settings/proxy.ts';
import { ArtifactPipe } from './artifact-pipe.ts';
import { awaitQuiet } from './await-quiet.ts';
import { type BuildxInvocation, buildxArguments, callEnv, unenforcedLimits } from './buildx-arguments.ts';
import { cacheFlags, failedExport, localCacheFlags, s3Env } from './cache-flags.ts';
import { hiddenPart } from './docker-config.ts';
import { hiddenSecrets } from './hidden-secrets.ts';
import { Laps } from './laps.ts';
import { explainRefusal } from './login-refusal.ts';
import { measurePushed } from './measure-pushed.ts';
import { namedContextDirs } from './named-contexts.ts';
import { packOutputs } from './pack-outputs.ts';
import { prepareContext } from './prepare-context.ts';
import { pushAgain } from './push-again.ts';
import { RecordSink } from './record-sink.ts';
import { runBuildx } from './run-buildx.ts';
import { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { RunRequest } from './run-request.ts';

/** Runs one build from beginning to end; resolves when its buildx has exited. */
export async function runBuild(host: RunHost, request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
  const { spec } = request;
  const artifacts = spec.call ? 1 : artifactsOf(spec.output).length;
  if (artifacts > 0 && !request.artifact) throw new Error('output artifact requested, but request.artifact is missing');
  if (signal.aborted) return neverStarted(stopCause(signal.reason), spec);
  const laps = new Laps<'contextMs' | 'filesMs' | 'buildxMs' | 'outcomeMs'>();
  using halt = new Halt(signal, spec.timeoutSeconds * 1000);
  await using files = await RunFiles.create(host.paths, host.owner, `${request.buildId}-${request.attempt}`);
  using sink = new RecordSink(request.sink, halt);
  const note = (message: string) => sink.deliver([{ t: host.now(), type: 'note', message }]);
  const context = await prepareContext(host, request, files, halt, note);
  if ('end' in context) return context;
  const contextDirs = await namedContextDirs(request, files, halt);
  if ('end' in contextDirs) return contextDirs;
  laps.end('contextMs');
  const { env, places } = await files.placeSecrets(request.secrets, spec.binarySecrets);
  const { registryLogins: logins = [] } = request;
  const ownLogins = await files.placeLogins(logins, host.dockerConfigDir);
  const caches = request.cachePlaces ?? { from: [], to: [] };
  const archive = await files.placeArchive(request.archive, halt.signal);
  const outputFiles = artifacts > 1 ? await files.placeOutputs(artifacts) : [];
  const policy = await files.placeSourcePolicy(host.sourcePolicy(request.source));
  const invocation: BuildxInvocation = {
    builder: host.builder,
    trust: host.trust,
    spec,
    repo: request.repo,
    context,
    contextDirs,
    secrets: places,
    metadataFile: files.metadataFile,
    ...(request.internal && { internal: request.internal }),
    features: host.features,
    cacheFlags: [...cacheFlags(caches, request.cacheForm ?? (() => 'index')), ...localCacheFlags(archive)],
    outputFiles,
    namespace: request.ownNamespace,
    proxyArgs: proxyArgs(host.proxy, spec.buildArgs),
  };
  const first = progressReader(host, request, sink);
  for (const limit of unenforcedLimits(spec, host.features)) {
    await first.warn(`resources.${limit} is not enforced: this host's buildx has no such limit`);
  }
  laps.end('filesMs');
  const artifact = artifacts > 0 && request.artifact ? new ArtifactPipe(request.artifact, halt) : undefined;
  const call = {
    argv: buildxArguments(invocation),
    // A context's .git may have settings that name programs, which git would run if buildx called it there.
    env: [
      ...files.env,
      'BUILDX_GIT_INFO=false',
      ...callEnv(spec, host.features),
      ...policy,
      ...env,
      ...s3Env(caches, request.secrets),
    ],
    user: await files.handOver(),
    ...{ pidFile: files.pidFile, spillFile: files.spillFile, reader: first, artifact },
  };
  const ended = await pushAgain(await runBuildx(host, call, halt), {
    ...{ host, spec, call, halt, note },
    argv: (changed) => buildxArguments({ ...invocation, spec: { ...spec, ...changed } }),
  });
  const { exitCode, reader } = ended;
  laps.end('buildxMs');
  await reclaim(files, host.log);
  await reader.endOfText();
  const ref = exitCode === 0 && reader.idle ? undefined : await files.ref();
  if (ref !== undefined && !reader.idle) await awaitQuiet(host.connectBuildkit, ref, host.log);
  const history = ref === undefined || halt.reason ? undefined : await readRest(host, ref, reader);
  await reader.end();
  request.observer?.steps(first.trace.steps, first.trace.leftOut);
  const finished =
    history && exitCode !== 0 && reader.brokenOff && isAllDone(spec, history, reader) ? history : undefined;
  const isWhole = exitCode === 0 || finished !== undefined;
  if (artifact && isWhole) await packOutputs(outputFiles, artifact);
  const stored = await artifact?.finish(isWhole);
  const failed = exitCode === 0 ? failedExport(reader.facts().failed) : undefined;
  if (failed) request.onFailedExport?.(failed);
  if (exitCode === 0 && archive.to !== undefined) await request.archive?.save(archive.to, halt.signal);
  const metadata = finished?.metadata ?? (exitCode === 0 ? await files.metadata() : {});
  const outcome = outcomeOf({
    spec,
    exitCode: finished ? 0 : exitCode,
    halted: halt.reason,
    ...reader.facts(),
    // What a repeated push finds in the cache was built by this run.
    counts: first.facts().counts,
    pushed: [...new Set([...ended.pushed, ...reader.facts().pushed])],
    metadata,
    imageBytes: await measurePushed(host, spec, metadata),
    artifact: stored,
  });
  laps.end('outcomeMs');
  host.log.info({ buildId: request.buildId, attempt: request.attempt, ...laps.taken }, 'build run ended');
  const { failed: failedSteps } = reader.facts();
  const foreign = explainForeignRun(outcome, failedSteps, spec.platforms, host.platforms);
  const refused = explainRefusal(foreign, failedSteps, { logins, ownLogins, trust: host.trust, spec });
  return explainPush(refused, pushedNames(spec), ended);
}

function progressReader(
  host: RunHost,
  { spec, secrets, registryLogins = [], hidden = [] }: RunRequest,
  sink: RecordSink,
) {
  const { hidden: texts, hiddenBytes } = hiddenSecrets(spec, secrets);
  return new ProgressReader(
    {
      hiddenBytes,
      hidden: [...texts, ...registryLogins.map(hiddenPart), ...hidden, ...proxySecrets(host.proxy)],
      tags: pushedNames(spec),
    },
    { deliver: (records) => sink.deliver(records), now: () => host.now() },
  );
}

/** If the tool container is gone as well, the run's files have nothing to tell. */
async function reclaim(files: RunFiles, log: Logger): Promise<void> {
  try {
    await files.reclaim();
  } catch (error) {
    log.warn({ err: error }, 'run files could not be read');
  }
}

/**
 * Reads from BuildKit what buildx left out, and how the build ended. A buildx that is still printing some seconds after the end of its
 * build omits the rest and reports a failure, or nothing at all (moby/buildkit client/solve.go). What it did print doesn't show
 * whether that happened: the end of a step may come before the rest of its output.
 */
async function readRest(host: RunHost, ref: string, reader: ProgressReader): Promise<BuildHistory | undefined> {
  try {
    await using control = await BuildkitControl.open(host.connectBuildkit);
    const history = await control.history(ref);
    if (history) await reader.takeRest(control.status(ref));
    return history;
  } catch (error) {
    host.log.warn({ err: error, ref }, 'rest of the build progress could not be read');
    return undefined;
  }
}

/** Whether BuildKit did all that was asked for. Loading the image is buildx's own work after the build, which it then hasn't done, nor maybe one of several outputs. */
function isAllDone(spec: BuildSpec, history: BuildHistory, reader: ProgressReader): boolean {
  if (history.failed || spec.call || spec.output.type === 'several') return false;
  const { pushed } = reader.facts();
  return !outputTypes(spec.output).includes('load') && pushedNames(spec).every((name) => pushed.includes(name));
}
