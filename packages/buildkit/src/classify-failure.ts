import type { Failure, FailureCode } from '@kiln/domain';
import { type BuildxError, readErrorLines } from './buildx-error.ts';
import type { FailedStep } from './decode-status.ts';
import { gitFailure } from './git-failure.ts';
import { isDockerfileStep } from './step.ts';
import { FENCED_EXIT_CODE } from './tool-scripts.ts';

/** What a run of buildx that didn't succeed left behind; secrets are masked already. */
export interface FailedRun {
  /** Undefined where the engine couldn't tell any more. */
  readonly exitCode: number | undefined;
  /** Steps that failed by themselves. */
  readonly failed: readonly FailedStep[];
  /** What buildx printed beside the statuses. */
  readonly lines: readonly string[];
}

/** What the rules look at. */
interface Evidence extends BuildxError {
  readonly step: FailedStep | undefined;
}

/** A shell's, and the engine's for an exec: the command couldn't be run, or isn't there. buildx itself never ends so. */
const NOT_RUN: ReadonlySet<number> = new Set([126, 127]);
const SIGKILLED = 137;
const SIGTERMED = 143;

/**
 * Why a build failed. The one place that reads messages: BuildKit gives buildx codes, but buildx prints only text.
 * The texts are those of BuildKit 0.13 and buildx 0.13 (failure-samples.json), and hold for later ones as far as known.
 */
export function classifyFailure(run: FailedRun): Failure {
  if (run.exitCode === undefined) return infrastructure('the engine lost the build');
  if (run.exitCode === FENCED_EXIT_CODE) return infrastructure('the worker’s lease had ended');
  if (run.exitCode === SIGKILLED || run.exitCode === SIGTERMED) return infrastructure('buildx was killed');
  const error = readErrorLines(run.lines);
  if (NOT_RUN.has(run.exitCode) && run.failed.length === 0) {
    return infrastructure(`buildx could not be started: ${error.message || `exit code ${run.exitCode}`}`);
  }
  const evidence: Evidence = { ...error, step: run.failed[0] };
  for (const rule of RULES) {
    const failure = rule(evidence);
    if (failure) return excerpted(failure, error.excerpt);
  }
  return excerpted(
    { code: 'build_failed', message: error.message || `buildx: exit code ${run.exitCode}` },
    error.excerpt,
  );
}

type Rule = (evidence: Evidence) => Failure | undefined;

/** In this order: what is said in the build's own words (a RUN's command is part of its error) must not be taken for BuildKit's. */
const RULES: readonly Rule[] = [
  runFailed,
  egressRefused,
  diskFull,
  contextUnreadable,
  gitFailed,
  engineGone,
  pushFailed,
  frontend,
  baseImage,
  dockerfile,
  otherStep,
];

/** BuildKit quotes the command, so nothing before this says anything of the cause. */
const RUN_FAILED = /^process ".*" did not complete successfully: (.*)$/s;

function runFailed({ step, message }: Evidence): Failure | undefined {
  const cause = RUN_FAILED.exec(step?.error ?? message)?.[1];
  if (cause === undefined) return undefined;
  const code = /^exit code: (\d+)/.exec(cause)?.[1];
  if (code === undefined && isEngineFault(cause)) return infrastructure(cause);
  const said = step && code !== undefined && NO_SPACE.test(step.lastOutput);
  const exitCode = code === undefined ? undefined : Number(code);
  return {
    code: said || NO_SPACE.test(cause) ? 'disk_full' : 'step_failed',
    message: `${step ? short(step.name) : 'a RUN'}: ${exitCode === undefined ? cause : exitText(exitCode)}`,
    ...(step && { step: step.name }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

function exitText(exitCode: number): string {
  return exitCode === SIGKILLED ? 'exit code 137 (killed, often for want of memory)' : `exit code ${exitCode}`;
}

function egressRefused({ step, message }: Evidence): Failure | undefined {
  const [, source] = /\bsource "([^"]*)" denied by policy\b/.exec(message) ?? [];
  if (source === undefined) return undefined;
  const where = source.replace(/^docker-image:\/\//, 'the image ').replace(/^git:\/\//, 'the repository ');
  return {
    code: 'egress_refused',
    message: `${where} is not fetched: the host’s KILN_BUILD_EGRESS doesn’t list its server`,
    ...(step && { step: step.name }),
  };
}

/** Taking in the tar, and unpacking it. */
const CONTEXT_STEPS: ReadonlySet<string> = new Set(['[internal] load remote build context', 'copy /context /']);

function contextUnreadable({ step, message }: Evidence): Failure | undefined {
  if (step && CONTEXT_STEPS.has(step.name)) {
    return { code: 'context_invalid', message: `the build context is not a readable tar: ${step.error}` };
  }
  // buildx takes what isn't a tar for a Dockerfile; one is always named as well.
  if (/^ambiguous Dockerfile source: /.test(message)) {
    return { code: 'context_invalid', message: 'the build context is not a tar archive' };
  }
  // Nothing at all came on stdin.
  if (/^failed to read dockerfile: no local sources enabled$/.test(message)) {
    return { code: 'context_invalid', message: 'the build context is empty' };
  }
  return undefined;
}

function gitFailed({ step, message }: Evidence): Failure | undefined {
  return step?.name.startsWith('[internal] load git source ') ? gitFailure(step.error, message) : undefined;
}

function engineGone({ step, message }: Evidence): Failure | undefined {
  return isEngineFault(message) || isEngineFault(step?.error ?? '') ? infrastructure(message) : undefined;
}

const ENGINE_FAULTS: readonly RegExp[] = [
  /\bno active session\b/,
  /(?:^|[:\s])EOF$/,
  /\brpc error: code = (?:Unavailable|Canceled|DeadlineExceeded)\b/,
  /\btransport is closing\b/,
  /\berror reading (?:server preface|from server)\b/,
  /\bCannot connect to the Docker daemon\b/i,
  /\bdocker\.sock: connect: /,
  /\bcontext canceled\b/,
  /\bfailed to list workers\b/,
  /^no builder "[^"]*" found$/,
  /\bcontainer \S+ is not running\b/,
  /\bno such (?:container|job)\b/i,
  /\bcould not connect to \S*buildkit\b/i,
];

/** By itself: one expression for both words would take long for a text with many of the first. */
function isSessionClosed(text: string): boolean {
  const at = text.search(/\bsession\b/);
  return at >= 0 && /\bclosed\b/.test(text.slice(at));
}

function isEngineFault(text: string): boolean {
  // A tar that is cut short says "unexpected EOF": the context's fault, or a download's.
  return (
    !/\bunexpected EOF$/.test(text) && (isSessionClosed(text) || ENGINE_FAULTS.some((pattern) => pattern.test(text)))
  );
}

const NO_SPACE = /\bno space left on device\b|\bENOSPC\b/i;

/** As BuildKit says it that was told which frontends it may run (frontend/gateway/gateway.go). */
const FRONTEND_REFUSED = /'([^'\n]+)' is not an allowed gateway source/;

function frontend({ message, step }: Evidence): Failure | undefined {
  const image = FRONTEND_REFUSED.exec(message)?.[1] ?? FRONTEND_REFUSED.exec(step?.error ?? '')?.[1];
  return image === undefined
    ? undefined
    : { code: 'frontend_refused', message: `the host allows no frontend ${image}` };
}

function diskFull({ step, message }: Evidence): Failure | undefined {
  if (!NO_SPACE.test(message) && !NO_SPACE.test(step?.error ?? '')) return undefined;
  return {
    code: 'disk_full',
    message: `no space left on the host’s disk: ${message}`,
    ...(step && { step: step.name }),
  };
}

function pushFailed({ message, step }: Evidence): Failure | undefined {
  const isPush = /^failed to push /.test(message) || /^pushing \S+ with docker$/.test(step?.name ?? '');
  return isPush ? { code: 'push_refused', message } : undefined;
}

function baseImage({ step, message }: Evidence): Failure | undefined {
  const named =
    step && /^(?:\[internal\] load metadata for |resolve image config for |\[[^\]]*\d\/\d+\] FROM )/.test(step.name);
  const said = /\bfailed to resolve source metadata for \S+: /.test(message);
  return named || said ? { code: 'base_image_unavailable', message } : undefined;
}

const DOCKERFILE_FAULTS: readonly [RegExp, FailureCode][] = [
  [/^failed to read dockerfile: open [^:]+: no such file or directory$/, 'dockerfile_missing'],
  [/^target stage "[^"]*" could not be found$/, 'target_missing'],
  [/^dockerfile parse error\b/, 'dockerfile_invalid'],
  [/^the Dockerfile cannot be empty$/, 'dockerfile_invalid'],
];

function dockerfile({ step, message, excerpt }: Evidence): Failure | undefined {
  const fault = DOCKERFILE_FAULTS.find(([pattern]) => pattern.test(message));
  if (fault) return { code: fault[1], message };
  // A place in the Dockerfile, and no step that failed: the frontend refused it.
  return step === undefined && excerpt !== undefined ? { code: 'dockerfile_invalid', message } : undefined;
}

function otherStep({ step }: Evidence): Failure | undefined {
  if (!step || !isDockerfileStep(step.name)) return undefined;
  const cause = step.error.replace(/^failed to calculate checksum of ref \S+: /, '');
  return { code: 'step_failed', message: `${short(step.name)}: ${cause}`, step: step.name };
}

function infrastructure(message: string): Failure {
  return { code: 'infrastructure', message };
}

function excerpted(failure: Failure, excerpt: string | undefined): Failure {
  return excerpt === undefined || failure.code === 'infrastructure' ? failure : { ...failure, excerpt };
}

const SHORT_CHARS = 200;

function short(name: string): string {
  const line = name.split('\n', 1)[0] ?? '';
  return line.length > SHORT_CHARS ? `${line.slice(0, SHORT_CHARS)}…` : line;
}
