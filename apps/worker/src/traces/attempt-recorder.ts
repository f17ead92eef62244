import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ContextSource, ReportedStep, RunObserver, TargetSources } from '@kiln/buildkit';
import { type BuildSpec, TRACE_LIMITS, targetSpecs } from '@kiln/contracts';
import {
  type AttemptTrace,
  type BuildRecord,
  cacheKey,
  type MountRecord,
  type Outcome,
  type TracedContext,
} from '@kiln/domain';
import type { Traces } from '@kiln/metrics';
import type { Logger } from '@kiln/runtime';
import type { AttemptRef } from '@kiln/state';
import type { Listing } from '@kiln/trees';
import type { AttemptReading } from '../caches/attempt-reading.ts';
import type { CacheObserver } from '../engine/executor.ts';
import { commitEntries } from './commit-entries.ts';
import { type KeyedDigests, makeTrace } from './make-trace.ts';

const pack = promisify(gzip);

/** How long a record waits for a reading of the caches after its attempt, ms. Reading takes longer while BuildKit releases mounts. */
const READING_MS = 12_000;
/** The Dockerfile's head that is read. */
const MAX_DOCKERFILE_CHARS = 1024 * 1024;

export interface AttemptRecordersDeps {
  /** Stores the record of an attempt. Default: nothing is recorded. */
  storeTrace?(ref: AttemptRef, packed: Buffer): Promise<void>;
  /** Exports the steps of builds that are traced. */
  readonly traces?: Pick<Traces, 'ran'> | undefined;
  readonly sealer: KeyedDigests;
  readonly log: Logger;
  readonly now: () => number;
}

/** Records what attempts used and did, after they have ended. No attempt waits for that or fails by it. */
export class AttemptRecorders {
  readonly #deps: AttemptRecordersDeps;
  readonly #waiting = new Set<AttemptRecorder>();
  readonly #storing = new Set<Promise<void>>();

  constructor(deps: AttemptRecordersDeps) {
    this.#deps = deps;
  }

  /** Begins a record; undefined if nothing is recorded. */
  begin(ref: AttemptRef, record: BuildRecord, spec: BuildSpec): AttemptRecorder | undefined {
    const { storeTrace, traces, now } = this.#deps;
    if (!storeTrace) return undefined;
    const recorder: AttemptRecorder = new AttemptRecorder(ref, record, spec, now, {
      ran: (steps) => traces?.ran(record, ref.attempt, steps),
      wait: () => this.#waiting.add(recorder),
      done: () => {
        this.#waiting.delete(recorder);
        this.#store(ref, recorder);
      },
    });
    return recorder;
  }

  /** Stores what is still waiting for a reading of the caches, without it. Resolves when all records are stored, or that has failed, or `withinMs` has passed. */
  async close(withinMs: number): Promise<void> {
    for (const recorder of [...this.#waiting]) recorder.giveUp();
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, withinMs);
    await Promise.race([Promise.all(this.#storing), timeout.promise]);
    clearTimeout(timer);
  }

  #store(ref: AttemptRef, recorder: AttemptRecorder): void {
    const { storeTrace, sealer, log } = this.#deps;
    const { buildId, attempt } = ref;
    const storing = (async () => {
      const packed = await packTrace(recorder.trace(sealer));
      await storeTrace?.(ref, packed);
      log.debug({ buildId, attempt, bytes: packed.length }, 'attempt recorded');
    })()
      .catch((err: unknown) => log.warn({ err, buildId, attempt }, 'recording the attempt failed'))
      .finally(() => this.#storing.delete(storing));
    this.#storing.add(storing);
  }
}

interface RecorderEvents {
  /** The attempt has run these steps. */
  ran(steps: readonly ReportedStep[]): void;
  wait(): void;
  done(): void;
}

/** Collects the record of one attempt. None of its methods throws. */
export class AttemptRecorder implements RunObserver, CacheObserver {
  readonly #ref: AttemptRef;
  readonly #record: BuildRecord;
  readonly #spec: BuildSpec;
  readonly #now: () => number;
  readonly #on: RecorderEvents;
  readonly #startedAt: number;
  #secrets: ReadonlyMap<string, string> = new Map();
  #context: TracedContext | undefined;
  #listing: Listing | undefined;
  #domain: string | undefined;
  #dockerfile: string | undefined;
  #ignoreFile: string | undefined;
  #steps: readonly ReportedStep[] = [];
  #leftOut = 0;
  #before: readonly MountRecord[] | undefined;
  #expectsReading = false;
  #after: AttemptReading | undefined;
  #outcome: Outcome | undefined;
  #endedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isDone = false;

  constructor(ref: AttemptRef, record: BuildRecord, spec: BuildSpec, now: () => number, on: RecorderEvents) {
    this.#ref = ref;
    this.#record = record;
    this.#spec = spec;
    this.#now = now;
    this.#on = on;
    this.#startedAt = now();
  }

  secrets(values: ReadonlyMap<string, string>): void {
    this.#secrets = values;
  }

  /**
   * Notes what is built from, and returns the same source, whose files are noted when they are checked out.
   * @param targets of the other targets; files are noted only if all have the same tree, because steps don't say from which they copy
   */
  source(source: ContextSource, targets?: ReadonlyMap<string, TargetSources>): ContextSource {
    const others = [...(targets?.values() ?? [])].map((target) => target.source);
    const isOne = others.every((other) => other.type === 'tree' && source.type === 'tree' && other.id === source.id);
    if (source.type === 'tree' && isOne) this.#context = { type: 'tree', id: source.id };
    if (source.type !== 'git' || targets) return source;
    const { commit, subdir, checkOut } = source;
    this.#context = { type: 'git', commit, ...(subdir !== undefined && { subdir }) };
    if (!checkOut) return source;
    return {
      ...source,
      checkOut: async (domain, signal) => {
        const checkout = await checkOut(domain, signal);
        if (!('instead' in checkout)) this.#listing = (checkout.tree as { readonly listing?: Listing }).listing;
        return checkout;
      },
    };
  }

  dockerfile(text: string): void {
    this.#dockerfile = text.slice(0, MAX_DOCKERFILE_CHARS);
  }

  ignoreFile(text: string): void {
    this.#ignoreFile = text;
  }

  steps(steps: readonly ReportedStep[], leftOut: number): void {
    this.#steps = steps;
    this.#on.ran(steps);
    this.#leftOut = leftOut;
  }

  before(mounts: readonly MountRecord[] | undefined, domain: string): void {
    this.#before = mounts;
    this.#domain = domain;
    this.#expectsReading = true;
  }

  after(reading: AttemptReading): void {
    this.#after = reading;
    if (this.#outcome) this.#done();
  }

  /** The attempt has ended. */
  end(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#endedAt = this.#now();
    if (!this.#expectsReading || this.#after) this.#done();
    else {
      this.#on.wait();
      this.#timer = setTimeout(() => this.giveUp(), READING_MS);
    }
  }

  /** Stops waiting for a reading of the caches. */
  giveUp(): void {
    if (this.#outcome) this.#done();
  }

  trace(keyed: KeyedDigests): AttemptTrace {
    const { buildId, attempt, host } = this.#ref;
    const context = this.#context;
    const listing = this.#listing;
    // Of several Dockerfiles, steps are compared by their names.
    const read = this.#spec.bake ? {} : { dockerfile: this.#dockerfile, ignoreFile: this.#ignoreFile };
    return makeTrace(
      {
        ...{
          build: buildId,
          attempt,
          host,
          domain: this.#domain,
          repo: cacheKey(this.#record),
          spec: withAllArgs(this.#spec),
        },
        end: this.#outcome?.end ?? 'failed',
        startedAt: this.#startedAt,
        endedAt: this.#endedAt,
        secrets: this.#secrets,
        context: context?.type === 'git' && listing ? { ...context, entries: commitEntries(listing) } : context,
        dockerfile: read.dockerfile,
        ignoreFile: read.ignoreFile,
        steps: this.#steps,
        stepsLeftOut: this.#leftOut,
        mountsBefore: this.#before,
        after: this.#after,
      },
      keyed,
    );
  }

  #done(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#on.done();
  }
}

/** Returns the build with the arguments of all its targets. One that has another value in an earlier target has its target's name before its own. */
function withAllArgs(spec: BuildSpec): BuildSpec {
  const buildArgs: Record<string, string> = {};
  for (const { name: target, spec: own } of targetSpecs(spec)) {
    for (const [name, value] of Object.entries(own.buildArgs)) {
      if ((buildArgs[name] ?? value) === value) buildArgs[name] = value;
      else buildArgs[`${target}.${name}`] = value;
    }
  }
  return { ...spec, buildArgs };
}

/** Packs a record, without parts that make it too large. */
export async function packTrace(trace: AttemptTrace): Promise<Buffer> {
  const { context, stages, ...rest } = trace;
  const shorter: AttemptTrace[] = [
    trace,
    { ...trace, ...(context?.type === 'git' && { context: { ...context, entries: undefined } }) },
    { ...rest, ...(context?.type === 'tree' && { context }) },
  ];
  for (const each of shorter) {
    const json = JSON.stringify(each);
    if (json.length > TRACE_LIMITS.jsonBytes / 4) continue;
    const packed = await pack(json);
    if (packed.length <= TRACE_LIMITS.blobBytes) return packed;
  }
  return await pack(
    JSON.stringify({ ...rest, steps: [], stepsLeftOut: trace.steps.length + (trace.stepsLeftOut ?? 0) || undefined }),
  );
}
