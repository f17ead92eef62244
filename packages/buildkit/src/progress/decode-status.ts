import type { LogRecord } from '@kiln/contracts';
import type { StepCounts } from '@kiln/domain';
import { type SolveStatus, timeOf, type Vertex, type VertexLog, type VertexWarning } from '../control/solve-status.ts';
import { maskText } from '../masking/mask-secrets.ts';
import { PushedTags } from './pushed-tags.ts';
import { isCountedStep, Step } from './step.ts';
import { StepOutput } from './step-output.ts';
import { TransferProgress } from './transfer-progress.ts';

export interface FailedStep {
  readonly name: string;
  readonly error: string;
  /** The end of its output. */
  readonly lastOutput: string;
}

/**
 * Turns BuildKit's solve statuses into log records, with secrets masked, and collects what the build's outcome needs. Each run of
 * buildx has its own decoder.
 */
export class StatusDecoder {
  readonly #needles: readonly string[];
  readonly #steps = new Map<string, Step>();
  readonly #outputs = new Map<number, Map<number, StepOutput>>();
  readonly #transfers = new TransferProgress();
  readonly #pushed: PushedTags;
  readonly #mask = (text: string) => maskText(text, this.#needles);
  /** How many steps had numbers before. */
  readonly #numbered: number;

  /**
   * @param needles from `secretNeedles`
   * @param tags tags that the build pushes
   * @param numbered how many steps have numbers already, from an earlier run of the build
   */
  constructor(needles: readonly string[], tags: readonly string[], numbered = 0) {
    this.#needles = needles;
    this.#numbered = numbered;
    this.#pushed = new PushedTags(tags);
  }

  /** @param now ms since the epoch, for records to which BuildKit gives no time */
  decode(status: SolveStatus, now: number): LogRecord[] {
    const vertexes = status.vertexes ?? [];
    for (const item of status.statuses ?? []) this.#pushed.onStatus(item);
    for (const vertex of vertexes) this.#pushed.onVertex(vertex);
    // A step's last output comes in the same status as its end, hence this order: starts, output, ends.
    return [
      ...vertexes.flatMap((vertex) => this.#named(vertex, now)),
      ...vertexes.flatMap((vertex) => this.#step(vertex.digest).start(vertex)),
      ...(status.statuses ?? []).flatMap((item) =>
        this.#transfers.push(this.#step(item.vertex).number, item, now, this.#mask),
      ),
      ...this.#logs(status.logs ?? [], now),
      ...(status.warnings ?? []).map((warning) => this.#warning(warning, now)),
      ...vertexes.flatMap((vertex) => this.#ended(vertex, now)),
    ];
  }

  /** Returns what was held back, after buildx has ended. */
  end(): LogRecord[] {
    return [...this.#steps.values()].flatMap((step) => this.#flush(step));
  }

  /** How many steps have numbers. */
  get numbered(): number {
    return this.#numbered + this.#steps.size;
  }

  /** Counts instructions of the Dockerfile (`[stage 2/4] RUN …`) except FROM, so that a build that did nothing counts as all cached. */
  get counts(): StepCounts {
    const steps = [...this.#steps.values()].filter(({ name }) => isCountedStep(name));
    return { total: steps.length, cached: steps.filter((step) => step.cached).length };
  }

  /** Steps that failed on their own, in order; without those that were stopped because another one failed. */
  get failed(): FailedStep[] {
    return [...this.#steps.values()].flatMap((step) =>
      step.error === undefined ? [] : [{ name: step.name, error: step.error, lastOutput: step.lastOutput }],
    );
  }

  /** Tags whose push BuildKit has reported as complete. */
  get pushed(): string[] {
    return this.#pushed.list();
  }

  /** Whether BuildKit has reported the end of every step that it reported as started. */
  get idle(): boolean {
    return [...this.#steps.values()].every((step) => !step.running);
  }

  /** Names of the steps that have started and not ended. */
  get running(): string[] {
    return [...this.#steps.values()].filter((step) => step.running).map(({ name }) => name);
  }

  #step(digest: string): Step {
    return this.#steps.get(digest) ?? this.#add(digest, 'step');
  }

  #add(digest: string, name: string): Step {
    const step = new Step(this.numbered + 1, this.#mask(name));
    this.#steps.set(digest, step);
    return step;
  }

  #named(vertex: Vertex, now: number): LogRecord[] {
    if (this.#steps.has(vertex.digest)) return [];
    const step = this.#add(vertex.digest, vertex.name ?? 'step');
    return vertex.started || vertex.cached ? [] : [step.pending(now)];
  }

  #ended(vertex: Vertex, now: number): LogRecord[] {
    const step = this.#step(vertex.digest);
    const ends = step.finish(vertex, now, this.#mask);
    if (ends.length === 0) return [];
    return [...this.#flush(step), ...ends];
  }

  #flush(step: Step): LogRecord[] {
    const outputs = [...(this.#outputs.get(step.number)?.values() ?? [])];
    this.#outputs.delete(step.number);
    const records = outputs.flatMap((output) => output.end());
    for (const { data } of records) step.addOutput(data);
    return [...this.#transfers.end(step.number), ...records];
  }

  #logs(logs: readonly VertexLog[], now: number): LogRecord[] {
    return merge(logs).flatMap(({ vertex, stream, data, timestamp }) => {
      const step = this.#step(vertex);
      const records = this.#output(step.number, stream).push(data, timeOf(timestamp) ?? now);
      for (const record of records) step.addOutput(record.data);
      return records;
    });
  }

  #output(step: number, stream: number): StepOutput {
    const streams = this.#outputs.get(step) ?? new Map<number, StepOutput>();
    this.#outputs.set(step, streams);
    const output = streams.get(stream) ?? new StepOutput(step, stream === 2 ? 'stderr' : 'stdout', this.#needles);
    streams.set(stream, output);
    return output;
  }

  #warning(warning: VertexWarning, now: number): LogRecord {
    const step = warning.vertex === undefined ? undefined : this.#steps.get(warning.vertex)?.number;
    const detail = [...(warning.detail ?? []).map(fromBase64), ...(warning.url ? [`More info: ${warning.url}`] : [])];
    return {
      t: now,
      type: 'warning',
      ...(step !== undefined && { step }),
      message: this.#mask(fromBase64(warning.short ?? '') || 'warning'),
      ...(detail.length > 0 && { detail: this.#mask(detail.join('\n')) }),
    };
  }
}

interface MergedLog {
  readonly vertex: string;
  readonly stream: number;
  readonly timestamp: string | undefined;
  readonly data: Buffer;
}

/** BuildKit sends logs line by line; merges consecutive lines of the same step and stream. */
function merge(logs: readonly VertexLog[]): MergedLog[] {
  const runs: { first: VertexLog; stream: number; parts: Buffer[] }[] = [];
  for (const log of logs) {
    const stream = log.stream === 2 ? 2 : 1;
    const data = Buffer.from(log.data ?? '', 'base64');
    const run = runs.at(-1);
    if (run && run.first.vertex === log.vertex && run.stream === stream) run.parts.push(data);
    else runs.push({ first: log, stream, parts: [data] });
  }
  return runs.map(({ first, stream, parts }) => ({
    vertex: first.vertex,
    stream,
    timestamp: first.timestamp,
    data: Buffer.concat(parts),
  }));
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}
