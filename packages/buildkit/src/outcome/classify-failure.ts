import type { Failure, FailureCode } from '@kiln/domain';
import type { FailedStep } from '../progress/decode-status.ts';
import { isDockerfileStep } from '../progress/step.ts';
import { FENCED_EXIT_CODE } from '../tool/tool-scripts.ts';
import { type BuildxError, readErrorLines } from './buildx-error.ts';
import { gitFailure } from './git-failure.ts';

/** What is known of a failed run of buildx. Secrets are already masked. */
export interface FailedRun {
  /** Undefined if the engine could no longer report it. */
  readonly exitCode: number | undefined;
  /** Steps that failed on their own, not because the build was stopped. */
  readonly failed: readonly FailedStep[];
  /** Plain lines that buildx printed between the statuses. */
  readonly lines: readonly string[];
}

/** The input of the rules. */
interface Evidence extends BuildxError {
  readonly step: FailedStep | undefined;
}

/** Shells and the engine's exec use these for a command that can't be executed or isn't found. buildx itself never does. */
const NOT_RUN: ReadonlySet<number> = new Set([126, 127]);
const SIGKILLED = 137;
const SIGTERMED = 143;

/**
 * Determines why a build failed. This is the only place that matches message texts: BuildKit gives buildx error codes, but buildx
 * prints only text. The texts were recorded from BuildKit 0.13 and buildx 0.13 (failure-samples.json).
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

/** The order matters: a RUN's command is part of its error, and must not be taken for a message of BuildKit. */
const RULES: readonly Rule[] = [
  runFailed,
  egressRefused,
  diskFull,
  exporterMissing,
  gitFailed,
  pushFailed,
  engineGone,
  frontend,
  baseImage,
  dockerfile,
  otherStep,
];

/** BuildKit quotes the command, so only the text after it is about the cause. */
const RUN_FAILED = /^process ".*" did not complete successfully: (.*)$/s;

function runFailed({ step, message }: Evidence): Failure | undefined {
  const cause = RUN_FAILED.exec(step?.error ?? message)?.[1];
  if (cause === undefined) return undefined;
  const code = /^exit code: (\d+)/.exec(cause)?.[1];
  if (code === undefined && isEngineFault(cause)) return infrastructure(cause);
  const outputSaysFull = step && code !== undefined && NO_SPACE.test(step.lastOutput);
  const exitCode = code === undefined ? undefined : Number(code);
  return {
    code: outputSaysFull || NO_SPACE.test(cause) ? 'disk_full' : 'step_failed',
    message: `${step ? short(step.name) : 'a RUN'}: ${exitCode === undefined ? cause : exitText(exitCode)}`,
    ...(step && { step: step.name }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

/** In BuildKit's own words, by which people look for it. */
function exitText(exitCode: number): string {
  const killed = exitCode === SIGKILLED ? ' (killed, often because it ran out of memory)' : '';
  return `did not complete successfully: exit code: ${exitCode}${killed}`;
}

function egressRefused({ step, message }: Evidence): Failure | undefined {
  const [, source] = /\bsource "([^"]*)" denied by policy\b/.exec(message) ?? [];
  if (source === undefined) return undefined;
  const where = source.replace(/^docker-image:\/\//, 'the image ').replace(/^git:\/\//, 'the repository ');
  return {
    code: 'egress_refused',
    message: `${where} was not fetched: its server is not listed in the host’s KILN_BUILD_EGRESS`,
    ...(step && { step: step.name }),
  };
}

function gitFailed({ step, message }: Evidence): Failure | undefined {
  return step?.name.startsWith('[internal] load git source ') ? gitFailure(step.error, message) : undefined;
}

function engineGone({ step, message }: Evidence): Failure | undefined {
  return isEngineFault(message) || isEngineFault(step?.error ?? '') ? infrastructure(message) : undefined;
}

const ENGINE_FAULTS: readonly RegExp[] = [
  /\bno active session\b/,
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

const CUT_OFF = /(?:^|[:\s])EOF$/;

/** Not one expression for both words: that would be slow on a text with many occurrences of the first. */
function isSessionClosed(text: string): boolean {
  const at = text.search(/\bsession\b/);
  return at >= 0 && /\bclosed\b/.test(text.slice(at));
}

function isEngineFault(text: string): boolean {
  // "unexpected EOF" is a truncated archive or download of the build.
  return !/\bunexpected EOF$/.test(text) && (CUT_OFF.test(text) || saysEngineGone(text));
}

function saysEngineGone(text: string): boolean {
  return isSessionClosed(text) || ENGINE_FAULTS.some((pattern) => pattern.test(text));
}

const NO_SPACE = /\bno space left on device\b|\bENOSPC\b/i;

/** Message of a BuildKit that is configured with the allowed frontends (frontend/gateway/gateway.go). */
const FRONTEND_REFUSED = /'([^'\n]+)' is not an allowed gateway source/;

function frontend({ message, step }: Evidence): Failure | undefined {
  const image = FRONTEND_REFUSED.exec(message)?.[1] ?? FRONTEND_REFUSED.exec(step?.error ?? '')?.[1];
  return image === undefined
    ? undefined
    : { code: 'frontend_refused', message: `the host does not allow the frontend ${image}` };
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
  // A connection that is cut off is the registry's here, not the engine's.
  return isPush && !saysEngineGone(message) ? { code: 'push_refused', message } : undefined;
}

/** What buildx says of an engine with the classic image store. */
const NO_EXPORTER = /^(\w+) exporter is not supported for the docker driver/;

function exporterMissing({ step, message }: Evidence): Failure | undefined {
  const exporter = NO_EXPORTER.exec(message)?.[1];
  if (step !== undefined || exporter === undefined) return undefined;
  return {
    code: 'build_failed',
    message: `the host’s engine cannot export type=${exporter.toLowerCase()}; it needs the containerd image store, or a host with the driver docker-container`,
  };
}

function baseImage({ step, message }: Evidence): Failure | undefined {
  const isStep =
    step && /^(?:\[internal\] load metadata for |resolve image config for |\[[^\]]*\d\/\d+\] FROM )/.test(step.name);
  const isMessage = /\bfailed to resolve source metadata for \S+: /.test(message);
  return isStep || isMessage ? { code: 'base_image_unavailable', message } : undefined;
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
  // The error points into the Dockerfile, but no step failed: the frontend rejected it.
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
