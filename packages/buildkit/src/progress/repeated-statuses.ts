import { type SolveStatus, timeOf, type Vertex } from '../control/solve-status.ts';
import { isCountedStep, isDockerfileStep } from './step.ts';

/**
 * Passes on what the repetition of a run does besides the build: its steps were reported the first time, and are cached now. Recognizes a step that runs
 * again all the same, such as one whose layer BuildKit has evicted.
 */
export class RepeatedStatuses {
  /** When the first run's last step had ended, ms since the epoch, by BuildKit's clock. What ended before is the first run's. */
  readonly #sinceMs: number;
  readonly #names = new Map<string, string>();
  readonly #onBuilt: (step: string) => void;

  /** @param onBuilt called for a step that was not cached */
  constructor(sinceMs: number, onBuilt: (step: string) => void) {
    this.#sinceMs = sinceMs;
    this.#onBuilt = onBuilt;
  }

  pass({ vertexes = [], statuses = [], logs = [], warnings = [] }: SolveStatus): SolveStatus {
    for (const vertex of vertexes) this.#look(vertex);
    for (const { vertex } of logs) {
      const name = this.#names.get(vertex) ?? '';
      if (isCountedStep(name)) this.#onBuilt(name);
    }
    const isPassed = (digest: string | undefined) => !isOfBuild(this.#names.get(digest ?? '') ?? '');
    return {
      vertexes: vertexes.filter((vertex) => vertex.error || isPassed(vertex.digest)),
      statuses: statuses.filter(({ vertex }) => isPassed(vertex)),
      logs: logs.filter(({ vertex }) => isPassed(vertex)),
      warnings: warnings.filter(({ vertex }) => isPassed(vertex)),
    };
  }

  #look({ digest, name, cached, started, completed, error }: Vertex): void {
    const known = name ?? this.#names.get(digest) ?? '';
    this.#names.set(digest, known);
    const isNew = (timeOf(started) ?? 0) > this.#sinceMs;
    if (!cached && !error && isNew && timeOf(completed) !== undefined && isCountedStep(known)) this.#onBuilt(known);
  }
}

function isOfBuild(name: string): boolean {
  return isDockerfileStep(name) || /^\[(?:\S+ )?internal\] /.test(name);
}
