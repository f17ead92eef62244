import type { AttemptTrace, TracedInstruction, TracedStage, TracedStep } from './attempt-trace.ts';
import { imageOf, readStepName, type StepName } from './step-name.ts';

/** Instructions that are steps of their own. */
const COUNTED = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR']);
/** Instructions before a RUN that are part of its cache key without being steps. */
const STATE = new Set(['ENV', 'ARG', 'USER', 'SHELL']);

export interface GraphStep extends TracedStep {
  readonly index: number;
  readonly parsed: StepName | undefined;
  /** Whether it fetches what an ADD of a URL adds. BuildKit gives it the name of that step, and does it in each build. */
  readonly isFetch: boolean;
}

/** Where an instruction is in a Dockerfile. */
export interface Place {
  readonly platform: string | undefined;
  readonly stage: string | undefined;
  /** Position among the stage's instructions that are steps. */
  readonly index: number | 'from';
}

/** A trace, as a graph of steps that knows the Dockerfile's instructions. */
export class TraceGraph {
  readonly trace: AttemptTrace;
  readonly steps: readonly GraphStep[];
  readonly #byPlace = new Map<string, GraphStep>();
  readonly #byDigest = new Map<string, GraphStep>();
  readonly #byKey = new Map<string, GraphStep>();
  /** Stages, by platform and name, whose FROM BuildKit doesn't count as their first step. */
  readonly #withoutFrom = new Set<string>();

  constructor(trace: AttemptTrace) {
    this.trace = trace;
    const fetches = fetchesOf(trace.steps);
    this.steps = trace.steps.map((step, index) => {
      return { ...step, index, parsed: readStepName(step.name), isFetch: fetches.has(index) };
    });
    for (const { parsed } of this.steps)
      if (parsed?.number === 1 && parsed.op !== 'FROM') this.#withoutFrom.add(stageKey(parsed));
    for (const step of this.steps) {
      this.#byDigest.set(step.digest, step);
      if (step.isFetch) continue;
      const place = this.place(step);
      if (place) this.#byPlace.set(placeKey(place), step);
      const image = imageOf(step.name);
      this.#byKey.set(image ? `image ${image.image}` : step.key, step);
    }
  }

  /** Whether a step is work of the Dockerfile that had to be done again. */
  static missed(step: GraphStep): boolean {
    return isCounted(step) && !step.cached && step.startedAt !== undefined;
  }

  place({ parsed }: GraphStep): Place | undefined {
    if (!parsed) return undefined;
    const { platform, stage, op, number } = parsed;
    const offset = this.#withoutFrom.has(stageKey(parsed)) ? 1 : 2;
    return { platform, stage, index: op === 'FROM' ? 'from' : number - offset };
  }

  /**
   * Returns a step's counterpart in this trace. BuildKit reports equal steps of two stages as one, by the name of either, so it is not always at the
   * same place.
   */
  counterpart(step: GraphStep, place: Place | undefined): GraphStep | undefined {
    const image = imageOf(step.name);
    return (
      this.#byDigest.get(step.digest) ??
      (place && this.#byPlace.get(placeKey(place))) ??
      this.#byKey.get(image ? `image ${image.image}` : step.key)
    );
  }

  /** Returns what a step is based on, the nearest first. */
  ancestors(step: GraphStep): GraphStep[] {
    const seen = new Set([step.index]);
    const found: GraphStep[] = [];
    for (let level = [step]; level.length > 0; ) {
      level = level.flatMap(({ inputs }) =>
        inputs.flatMap((input) => {
          const next = this.steps[input];
          if (!next || seen.has(input)) return [];
          seen.add(input);
          return [next];
        }),
      );
      found.push(...level);
    }
    return found;
  }

  /** Returns the Dockerfile's steps, each after those that it is based on. */
  inOrder(): GraphStep[] {
    const seen = new Set<number>();
    const ordered: GraphStep[] = [];
    for (const last of this.steps.toReversed()) {
      const todo: { step: GraphStep; isDone: boolean }[] = [{ step: last, isDone: false }];
      for (let next = todo.pop(); next; next = todo.pop()) {
        const { step, isDone } = next;
        if (isDone) ordered.push(step);
        if (isDone || seen.has(step.index)) continue;
        seen.add(step.index);
        todo.push({ step, isDone: true });
        for (const input of step.inputs.toReversed()) {
          const before = this.steps[input];
          if (before) todo.push({ step: before, isDone: false });
        }
      }
    }
    return ordered.filter(isCounted);
  }

  /** The Dockerfile's instruction at a place, if the host read the Dockerfile. */
  instruction({ stage: name, index }: Place): TracedInstruction | undefined {
    const instructions = this.#stage(name)?.instructions;
    if (index === 'from') return instructions?.find(({ op }) => op === 'FROM');
    return instructions?.filter(({ op }) => COUNTED.has(op))[index];
  }

  /** All instructions of a stage that are steps; undefined if the host didn't read the Dockerfile. */
  instructions({ stage: name }: Place): TracedInstruction[] | undefined {
    return this.#stage(name)?.instructions.filter(({ op }) => COUNTED.has(op));
  }

  /**
   * The ENV, ARG, USER and SHELL instructions before a place, also of stages that its own is based on; undefined if the host didn't read the
   * Dockerfile.
   */
  settings(place: Place): TracedInstruction[] | undefined {
    const stage = this.#stage(place.stage);
    const own = this.instruction(place);
    if (!stage || !own) return undefined;
    const before = [
      ...this.#inherited(stage, new Set()),
      ...stage.instructions.slice(0, stage.instructions.indexOf(own)),
    ];
    const state = before.filter(({ op }) => STATE.has(op));
    // Arguments that are declared before the first FROM have their defaults there, and count in FROM itself.
    const first = this.trace.stages?.[0]?.instructions.filter(({ op }) => op === 'ARG') ?? [];
    if (place.index === 'from') return first;
    const names = new Set(state.flatMap(({ args = [] }) => args));
    return [...first.filter(({ args = [] }) => args.some((name) => names.has(name))), ...state];
  }

  #inherited(stage: TracedStage, seen: Set<TracedStage>): TracedInstruction[] {
    const base = this.trace.stages?.find(({ name }) => name !== undefined && name === stage.from?.toLowerCase());
    if (!base || seen.has(base)) return [];
    seen.add(base);
    return [...this.#inherited(base, seen), ...base.instructions];
  }

  #stage(name: string | undefined): TracedStage | undefined {
    const stages = this.trace.stages?.filter(({ from }) => from !== undefined) ?? [];
    if (name === undefined) return stages.length === 1 ? stages[0] : undefined;
    return stages.find((stage) => stage.name === name);
  }
}

/** Whether a step is an instruction of the Dockerfile that a cache can save. */
export function isCounted({ parsed, isFetch }: GraphStep): boolean {
  return parsed !== undefined && parsed.op !== 'FROM' && !isFetch;
}

/** Returns the positions of steps on which another step of the same name is based. */
function fetchesOf(steps: readonly TracedStep[]): Set<number> {
  return new Set(steps.flatMap(({ name, inputs }) => inputs.filter((input) => steps[input]?.name === name)));
}

function stageKey({
  platform = '',
  stage = '',
}: {
  readonly platform?: string | undefined;
  readonly stage?: string | undefined;
}): string {
  return `${platform} ${stage}`;
}

function placeKey(place: Place): string {
  return `${stageKey(place)} ${place.index}`;
}
