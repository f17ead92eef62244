import { artifactsOf, type BuildSpec, pushedNames, tagsToPush, targetSpecs } from '@kiln/contracts';
import { outputTypes } from '@kiln/domain';
import { BuildkitControl } from '../control/buildkit-control.ts';
import type { BuildHistory } from '../control/control-messages.ts';
import type { Logger } from '../engine/logger.ts';
import { explainBakeFile } from '../outcome/bake-file-error.ts';
import { stopCause } from '../outcome/build-stop.ts';
import { namingTarget, stepsOfTargets } from '../outcome/failed-target.ts';
import { explainForeignRun } from '../outcome/foreign-run.ts';
import { Halt } from '../outcome/halt.ts';
import { metadataOf, neverStarted, outcomeOf, type RunOutcome } from '../outcome/outcome.ts';
import { explainPush } from '../outcome/push-failure.ts';
import { ProgressReader } from '../progress/progress-reader.ts';
import { withoutStep } from '../progress/without-step.ts';
import { proxyArgs, proxySecrets } from '../settings/proxy.ts';
import { ArtifactPipe } from './artifact-pipe.ts';
import { awaitQuiet } from './await-quiet.ts';
import { BAKE_ENV, bakeArguments } from './bake-arguments.ts';
import { type BuildxInvocation, buildxArguments, callEnv, unenforcedLimits } from './buildx-arguments.ts';
import { cacheFlags, failedExport, localCacheFlags, s3Env } from './cache-flags.ts';
import { hiddenPart } from './docker-config.ts';
import { saveArchives } from './engine-archives.ts';
import { hiddenSecrets } from './hidden-secrets.ts';
import { Laps } from './laps.ts';
import { explainRefusal } from './login-refusal.ts';
import { measurePushed } from './measure-pushed.ts';
import { namedContextDirs } from './named-contexts.ts';
import { packOutputs } from './pack-outputs.ts';
import { prepareContext } from './prepare-context.ts';
import { pushAgain } from './push-again.ts';
import { readRemotes } from './read-remotes.ts';
import { RecordSink } from './record-sink.ts';
import { refusedEntitlements } from './refused-entitlements.ts';
import { runBuildx } from './run-buildx.ts';
import { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { RunRequest } from './run-request.ts';
import { prepareTargets } from './target-contexts.ts';

/** What bake files have no keys for. */
const NO_FEATURES = { memoryFlag: false, cpusFlag: false, callFlag: false };

/** Runs one build from beginning to end; resolves when its buildx has exited. */
export async function runBuild(host: RunHost, request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
  const { spec } = request;
  const artifacts = spec.call ? 1 : targetSpecs(spec).flatMap((target) => artifactsOf(target.spec.output)).length;
  if (artifacts > 0 && !request.artifact) throw new Error('output artifact requested, but request.artifact is missing');
  const ungranted = refusedEntitlements(host, spec);
  if (ungranted) return { end: 'failed', failure: ungranted };
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
  const sources = [request.source, ...[...(request.targets?.values() ?? [])].map(({ source }) => source)];
  const outputFiles = artifacts > 1 ? await files.placeOutputs(artifacts) : [];
  const engineImages = host.archives?.imagesOf(`${request.buildId}-${request.attempt}`, targetSpecs(spec));
  const policy = await files.placeSourcePolicy(host.sourcePolicy(sources));
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
    ...(engineImages && { engineImages }),
    namespace: request.ownNamespace,
    proxyArgs: proxyArgs(host.proxy, spec.buildArgs),
  };
  const targets = await prepareTargets(host, request, { context, contextDirs }, files, halt);
  if ('end' in targets) return targets;
  const names = new Set(targets.flatMap(({ name }) => name ?? []));
  const bake = spec.bake && (await bakeArguments(host, invocation, targets, files));
  const first = progressReader(host, request, sink);
  for (const limit of unenforcedLimits(spec, spec.bake ? NO_FEATURES : host.features)) {
    await first.warn(`resources.${limit} is not enforced: this host's buildx has no such limit`);
  }
  laps.end('filesMs');
  const artifact = artifacts > 0 && request.artifact ? new ArtifactPipe(request.artifact, halt) : undefined;
  const call = {
    argv: bake?.argv ?? buildxArguments(invocation),
    // A context's .git may have settings that name programs, which git would run if buildx called it there.
    env: [
      ...files.env,
      'BUILDX_GIT_INFO=false',
      ...BAKE_ENV,
      ...callEnv(spec, host.features),
      ...policy,
      ...env,
      ...s3Env(caches, request.secrets),
    ],
    user: await files.handOver(),
    ...{ pidFile: files.pidFile, spillFile: files.spillFile, reader: first, artifact },
  };
  const ended = await pushAgain(await runBuildx(host, call, halt), {
    ...{ host, spec, targets: names, call, halt, note },
    argv: (changed) => bake?.argvAgain ?? buildxArguments({ ...invocation, spec: { ...spec, ...changed } }),
  });
  const { exitCode, reader } = ended;
  laps.end('buildxMs');
  await reclaim(files, host.log);
  await reader.endOfText();
  const isOver = exitCode === 0 && reader.idle;
  // The statuses of several targets' builds can't be told from those that buildx has printed: they have steps in common, and clocks of their own.
  const ref = isOver || bake ? undefined : await files.ref();
  const unquiet = reader.idle ? [] : bake ? await files.refs() : ref === undefined ? [] : [ref];
  for (const one of unquiet) await awaitQuiet(host.connectBuildkit, one, host.log);
  const history = ref === undefined || halt.reason ? undefined : await readRest(host, ref, reader);
  await reader.end();
  if (request.observer) {
    const steps = await readRemotes(host, first.trace.steps, () => (bake ? Promise.resolve(undefined) : files.ref()));
    request.observer.steps(steps, first.trace.leftOut);
  }
  const finished =
    history && exitCode !== 0 && reader.brokenOff && isAllDone(spec, history, reader) ? history : undefined;
  const isBuilt = exitCode === 0 || finished !== undefined;
  const images = engineImages ?? [];
  const isWhole = host.archives
    ? await saveArchives({ archives: host.archives, targets, images, files: outputFiles, artifact }, isBuilt, halt)
    : isBuilt;
  if (artifact && isWhole) await packOutputs(outputFiles, artifact);
  const stored = await artifact?.finish(isWhole);
  const facts = reader.facts();
  const failed = stepsOfTargets(facts.failed, names);
  const failedCaches = exitCode === 0 ? failedExport(failed) : undefined;
  if (failedCaches) request.onFailedExport?.(failedCaches);
  if (exitCode === 0 && archive.to !== undefined) await request.archive?.save(archive.to, halt.signal);
  const metadata = finished?.metadata ?? (exitCode === 0 ? await files.metadata() : {});
  const outcome = outcomeOf({
    spec,
    exitCode: isBuilt ? (isWhole ? 0 : undefined) : exitCode,
    halted: halt.reason,
    ...facts,
    failed,
    // What a repeated push finds in the cache was built by this run.
    counts: first.facts().counts,
    pushed: [...new Set([...ended.pushed, ...facts.pushed])],
    metadata,
    imageBytes: await Promise.all(
      targets.map((target) => measurePushed(host, target.spec, metadataOf(metadata, target.name))),
    ),
    artifact: stored,
  });
  laps.end('outcomeMs');
  host.log.info({ buildId: request.buildId, attempt: request.attempt, ...laps.taken }, 'build run ended');
  const foreign = explainForeignRun(bake ? explainBakeFile(outcome) : outcome, failed, spec.platforms, host.platforms);
  const refused = explainRefusal(foreign, failed, { logins, ownLogins, trust: host.trust, spec });
  return namingTarget(explainPush(refused, tagsToPush(spec), ended), failed, names, facts.lines);
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
      tags: tagsToPush(spec),
      // It reads the file that Kiln itself has written.
      filter: spec.bake && withoutStep('[internal] load local bake definitions'),
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
