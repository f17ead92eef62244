import { type BuildSpec, pushedNames, tagsToPush, targetSpecs } from '@kiln/contracts';
import {
  type BuilderFault,
  type BuildResult,
  type Failure,
  type ImageResult,
  isPushed,
  type Outcome,
  outputTypes,
  type StepCounts,
} from '@kiln/domain';
import type { StopCause } from './build-stop.ts';
import { builderFault } from './builder-fault.ts';
import { classifyFailure, type FailedRun } from './classify-failure.ts';
import type { HaltReason } from './halt.ts';

/** How a run ended. */
export interface RunOutcome extends Outcome {
  /** What is wrong with the builder, if that is why the run failed, or may be. */
  readonly fault?: BuilderFault;
}

/** Everything known about a run that has ended. */
export interface EndedRun extends FailedRun {
  readonly spec: BuildSpec;
  readonly halted: HaltReason | undefined;
  readonly counts: StepCounts;
  /** Tags whose push BuildKit reported as complete. */
  readonly pushed: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly artifact: BuildResult['artifact'] | undefined;
  /** Compressed sizes of the images that were pushed, by target, as far as they could be measured. */
  readonly imageBytes?: readonly (number | undefined)[];
}

/** Determines the outcome of a run. */
export function outcomeOf(run: EndedRun): RunOutcome {
  const { halted, counts, exitCode } = run;
  // A build that had already finished when it was stopped has succeeded. After a fault it hasn't: its log or artifact is incomplete.
  const overruled = halted?.type === 'fault' || (halted?.type === 'stop' && halted.cause === 'fence');
  if (exitCode === 0 && !overruled) return { end: 'succeeded', result: succeeded(run), steps: counts };
  const rest = { steps: counts, ...pushedSoFar(run) };
  if (!halted) return { ...failed(run), ...rest };
  if (halted.type === 'fault') {
    const { failure, builder: fault } = halted;
    return { end: 'failed', failure, ...rest, ...(fault && { fault }) };
  }
  return { end: halted.cause === 'cancel' ? 'canceled' : 'failed', failure: stopped(halted.cause, run.spec), ...rest };
}

/** Which tags registries have, and which not, after a build that failed. */
function pushedSoFar({ spec, pushed }: EndedRun): Pick<Outcome, 'result'> {
  if (pushed.length === 0) return {};
  return { result: { pushed: [...pushed], notPushed: tagsToPush(spec).filter((tag) => !pushed.includes(tag)) } };
}

function failed(run: EndedRun): RunOutcome {
  const fault = builderFault(run.failed);
  if (!fault) return { end: 'failed', failure: classifyFailure(run) };
  return { end: 'failed', failure: fault.isSuspected ? classifyFailure(run) : damaged(fault), fault };
}

function damaged({ step, message }: BuilderFault): Failure {
  const where = step === undefined ? '' : ` (${step.split('\n', 1)[0]})`;
  return { code: 'infrastructure', message: `BuildKit’s own store on this host is damaged: ${message}${where}` };
}

/** Returns the outcome of a run that was stopped before it began. */
export function neverStarted(cause: StopCause, spec: BuildSpec): Outcome {
  return { end: cause === 'cancel' ? 'canceled' : 'failed', failure: stopped(cause, spec) };
}

function stopped(cause: StopCause, spec: BuildSpec): Failure {
  switch (cause) {
    case 'cancel':
      return { code: 'canceled', message: 'canceled' };
    case 'timeout':
      return { code: 'timeout', message: `not finished within ${spec.timeoutSeconds} s` };
    case 'fence':
      return { code: 'infrastructure', message: 'the worker could not renew its lease' };
    case 'drain':
      return { code: 'host_drained', message: 'the host was drained and returned the build' };
  }
}

function succeeded({ spec, metadata, artifact, imageBytes }: EndedRun): BuildResult {
  const targets = targetSpecs(spec).map(
    ({ name = '', spec: target }, i) =>
      [name, imageOf(target, metadataOf(metadata, spec.bake && name), imageBytes?.[i])] as const,
  );
  if (!spec.bake) return { ...targets[0]?.[1], ...(artifact && { artifact }) };
  const [pushed, loaded] = (['pushed', 'loaded'] as const).map((how) =>
    targets.flatMap(([, image]) => image[how] ?? []),
  );
  return {
    ...targets[0]?.[1],
    ...(pushed?.length && { pushed }),
    ...(loaded?.length && { loaded }),
    ...(artifact && { artifact }),
    targets: Object.fromEntries(targets),
  };
}

/** Returns what buildx wrote of a target into its metadata file. @param target undefined for a build with a single one */
export function metadataOf(metadata: EndedRun['metadata'], target: string | undefined): EndedRun['metadata'] {
  return target === undefined ? metadata : ((metadata[target] ?? {}) as EndedRun['metadata']);
}

function imageOf(spec: BuildSpec, metadata: EndedRun['metadata'], imageBytes: number | undefined): ImageResult {
  const digest = text(metadata['containerimage.digest']);
  const configDigest = text(metadata['containerimage.config.digest']);
  const manifest = descriptor(metadata['containerimage.descriptor']);
  return {
    ...(digest && { digest }),
    // The `docker` driver repeats the image's digest here.
    ...(configDigest && configDigest !== digest && { configDigest }),
    ...(manifest && { manifest }),
    ...(imageBytes !== undefined && { imageBytes }),
    ...(isPushed(spec.output) && { pushed: [...pushedNames(spec)] }),
    ...(outputTypes(spec.output).includes('load') && { loaded: spec.tags }),
  };
}

/** Reads the descriptor that buildx writes into its metadata file. */
function descriptor(value: unknown): BuildResult['manifest'] {
  const { mediaType, size } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  return typeof mediaType === 'string' && typeof size === 'number' ? { mediaType, sizeBytes: size } : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
