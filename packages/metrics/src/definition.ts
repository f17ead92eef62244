/** The parts of Kiln that have metrics of their own. `kiln up` runs all of them in one process. */
export const PARTS = ['api', 'scheduler', 'worker'] as const;
export type Part = (typeof PARTS)[number];

/** What bounds a label: a list of its values, for any other of which `other` is written, or how many values get a series of their own. */
export type LabelBound = readonly string[] | { readonly atMost: number; readonly what: string };

export type LabelBounds = Readonly<Record<string, LabelBound>>;

/** A metric, as it is exported and documented. */
export interface MetricDefinition<L extends LabelBounds = LabelBounds> {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** The parts of Kiln whose processes export it. */
  readonly parts: readonly Part[];
  readonly help: string;
  readonly labels: L;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

type Where = Part | 'all';

/** A counter; its name ends with `_total`. */
export function counter<const L extends LabelBounds>(where: Where, help: string, labels?: L) {
  return { type: 'counter' as const, parts: partsOf(where), help, labels: labels ?? ({} as L) };
}

export function gauge<const L extends LabelBounds>(where: Where, help: string, labels?: L) {
  return { type: 'gauge' as const, parts: partsOf(where), help, labels: labels ?? ({} as L) };
}

export function histogram<const L extends LabelBounds>(
  where: Where,
  help: string,
  buckets: readonly number[],
  labels?: L,
) {
  return { type: 'histogram' as const, parts: partsOf(where), help, labels: labels ?? ({} as L), buckets };
}

function partsOf(where: Where): readonly Part[] {
  return where === 'all' ? PARTS : [where];
}
