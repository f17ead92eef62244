import type { ReportedStep } from '@kiln/buildkit';
import { type BuildSpec, TRACE_LIMITS } from '@kiln/contracts';
import {
  type AttemptTrace,
  type LostLayers,
  type MountRecord,
  maskValues,
  readDockerfile,
  stepText,
  type TerminalState,
  type TracedContext,
  type TracedMount,
  type TracedStage,
  type TracedStep,
} from '@kiln/domain';
import type { AttemptReading } from '../caches/attempt-reading.ts';

/** What is known of an attempt that has ended. Times in ms since the epoch. */
export interface AttemptFacts {
  readonly build: string;
  readonly attempt: number;
  readonly host: string;
  readonly domain: string | undefined;
  /** Cache key. */
  readonly repo: string;
  readonly spec: BuildSpec;
  readonly end: TerminalState;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly secrets: ReadonlyMap<string, string>;
  readonly context: TracedContext | undefined;
  readonly dockerfile: string | undefined;
  readonly ignoreFile?: string | undefined;
  readonly steps: readonly ReportedStep[];
  readonly stepsLeftOut: number;
  readonly mountsBefore: readonly MountRecord[] | undefined;
  readonly after: AttemptReading | undefined;
}

/** Makes digests that are equal for equal texts, and tell nothing without a key of the pool: a `Sealer`. */
export interface KeyedDigests {
  readonly keyId: string;
  digest(text: string): string;
}

/** Makes the record of an attempt, within `TRACE_LIMITS`. The values of secrets and build arguments are only in it as keyed digests. */
export function makeTrace(facts: AttemptFacts, keyed: KeyedDigests): AttemptTrace {
  const { spec, after } = facts;
  const values = new Map(Object.entries(spec.buildArgs));
  const { mode } = spec.cache ?? {};
  const layers: LostLayers | undefined = after?.layers;
  const steps = tracedSteps(facts.steps, values, keyed);
  const ignores = facts.ignoreFile === undefined ? undefined : tracedIgnores(facts.ignoreFile);
  const leftOut = facts.stepsLeftOut + facts.steps.length - steps.length;
  return {
    version: 1,
    build: facts.build,
    attempt: facts.attempt,
    host: facts.host,
    ...(facts.domain !== undefined && { domain: facts.domain }),
    repo: facts.repo,
    end: facts.end,
    startedAt: facts.startedAt,
    endedAt: facts.endedAt,
    keyId: keyed.keyId,
    noCache: spec.noCache,
    ...(mode !== undefined && mode !== 'warm' && { cacheMode: mode }),
    cacheScope: spec.cacheScope,
    ...(spec.target !== undefined && { target: spec.target }),
    platforms: spec.platforms,
    args: digested('arg', values, keyed),
    secrets: digested('secret', facts.secrets, keyed),
    ...(facts.context && { context: facts.context }),
    ...(ignores && { ignores }),
    ...(facts.dockerfile !== undefined && { stages: tracedStages(facts.dockerfile, keyed) }),
    steps,
    ...(leftOut > 0 && { stepsLeftOut: leftOut }),
    ...(after && { mounts: tracedMounts(facts.mountsBefore, after.mounts), sizesAreFloors: after.sizesAreFloors }),
    ...(layers && { layers }),
  };
}

function digested(
  kind: string,
  values: ReadonlyMap<string, string>,
  keyed: KeyedDigests,
): Readonly<Record<string, string>> {
  // A name's digest differs from that of the same value under another name: equal values aren't shown as equal.
  const entries = [...values].slice(0, TRACE_LIMITS.names);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, keyed.digest(`why-slow\0${kind}\0${name}\0${value}`)]),
  );
}

function tracedSteps(
  steps: readonly ReportedStep[],
  values: ReadonlyMap<string, string>,
  keyed: KeyedDigests,
): TracedStep[] {
  const kept = steps.slice(0, TRACE_LIMITS.steps);
  const positions = new Map(kept.map(({ digest }, position) => [digest, position]));
  return kept.map(({ digest, name, inputs, cached, startedAt, completedAt, error, contents }) => ({
    name: shown(name, values),
    key: keyed.digest(`why-slow\0step\0${stepText(name)}`),
    digest,
    inputs: [...new Set(inputs.flatMap((input) => positions.get(input) ?? []))],
    cached,
    ...(startedAt !== undefined && { startedAt }),
    ...(completedAt !== undefined && { completedAt }),
    ...(error !== undefined && { error: shown(error, values) }),
    ...(contents && contents.length <= TRACE_LIMITS.urls && { contents }),
  }));
}

/** Replaces values only after the brackets, in which stage and numbers are. */
function shown(name: string, values: ReadonlyMap<string, string>): string {
  const text = stepText(name);
  const head = name.endsWith(text) ? name.slice(0, name.length - text.length) : '';
  return cut(head + maskValues(text, values));
}

function tracedStages(dockerfile: string, keyed: KeyedDigests): TracedStage[] {
  let room: number = TRACE_LIMITS.instructions;
  return readDockerfile(dockerfile)
    .slice(0, TRACE_LIMITS.instructions)
    .map(({ name, from, instructions }) => {
      const kept = instructions.slice(0, room);
      room -= kept.length;
      return {
        ...(name !== undefined && { name: cut(name) }),
        ...(from !== undefined && { from: cut(from) }),
        instructions: kept.map(({ op, text, args }) => ({
          op: op.slice(0, 100),
          text: cut(text),
          key: keyed.digest(`why-slow\0instruction\0${text}`),
          ...(args && { args: args.slice(0, TRACE_LIMITS.names).map(cut) }),
        })),
      };
    });
}

/** Undefined if there are too many, as some of them would tell something else than all. */
function tracedIgnores(text: string): string[] | undefined {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const patterns = lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const fits =
    patterns.length <= TRACE_LIMITS.ignores && patterns.every((line) => line.length <= TRACE_LIMITS.textChars);
  return fits ? patterns : undefined;
}

function tracedMounts(before: readonly MountRecord[] | undefined, used: readonly MountRecord[]): TracedMount[] {
  const known = before && new Map(before.map(({ id, bytes }) => [id, bytes]));
  return used.slice(0, TRACE_LIMITS.mounts).map(({ id, bytes }) => ({
    id,
    ...(known && { beforeBytes: known.get(id) ?? 0 }),
    afterBytes: bytes,
  }));
}

function cut(text: string): string {
  return text.length <= TRACE_LIMITS.textChars ? text : `${text.slice(0, TRACE_LIMITS.textChars - 1)}…`;
}
