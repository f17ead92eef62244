import { type SolveStatus, timeOf } from '../control/solve-status.ts';

/** Bounds the memory of a build with very many steps. */
const MAX_STEPS = 10_000;

/** A step as BuildKit reported it in the end, with secrets masked. Times in ms since the epoch. */
export interface ReportedStep {
  readonly digest: string;
  readonly name: string;
  /** Digests of the steps that it is based on. */
  readonly inputs: readonly string[];
  readonly cached: boolean;
  /** Its first start, and its last end. */
  readonly startedAt?: number | undefined;
  readonly completedAt?: number | undefined;
  readonly error?: string | undefined;
  /** Digests of what the URLs that it adds returned, in their order, if all are known. */
  readonly contents?: readonly string[] | undefined;
}

/** Collects the steps of a run from BuildKit's statuses. */
export class StepTrace {
  readonly #steps = new Map<string, ReportedStep>();
  readonly #mask: (text: string) => string;
  #leftOut = new Set<string>();

  constructor(mask: (text: string) => string) {
    this.#mask = mask;
  }

  add({ vertexes = [] }: SolveStatus): void {
    for (const { digest, name, inputs, started, completed, cached, error } of vertexes) {
      const known = this.#steps.get(digest);
      if (!known && this.#steps.size >= MAX_STEPS) {
        if (this.#leftOut.size < MAX_STEPS) this.#leftOut.add(digest);
        continue;
      }
      this.#steps.set(digest, {
        digest,
        name: known?.name || (name ? this.#mask(name) : ''),
        inputs: Array.isArray(inputs) ? inputs.filter((input) => typeof input === 'string') : (known?.inputs ?? []),
        cached: known?.cached === true || cached === true,
        startedAt: known?.startedAt ?? timeOf(started),
        completedAt: timeOf(completed) ?? known?.completedAt,
        error: error ? this.#mask(error) : timeOf(completed) === undefined ? known?.error : undefined,
      });
    }
  }

  get steps(): ReportedStep[] {
    return [...this.#steps.values()];
  }

  /** How many steps there were too many. */
  get leftOut(): number {
    return this.#leftOut.size;
  }
}
