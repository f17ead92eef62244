import type { LogStep } from './log/log-book.ts';

export const KINDS = ['queue', 'context', 'pull', 'run', 'export', 'other'] as const;
export type Kind = (typeof KINDS)[number];

export interface Bar {
  readonly key: string;
  readonly name: string;
  readonly kind: Kind;
  readonly state: LogStep['state'] | 'waited';
  /** From the beginning of what is shown, ms. */
  readonly fromMs: number;
  readonly ms: number;
  /** The line of the log that it begins at. */
  readonly line?: number;
}

/** What kind of work a step is, by BuildKit's name of it. */
export function kindOf(name: string): Kind {
  if (
    /^\[[^\]]*\] (?:FROM|resolve) /.test(name) ||
    /^\[internal\] load metadata/.test(name) ||
    /^(?:docker-image|resolve image config)/.test(name)
  )
    return 'pull';
  const bracketed = /^\[([^\]]*)\]/.exec(name)?.[1] ?? '';
  if (bracketed === 'internal' || bracketed.includes('context')) return 'context';
  if (/^(?:exporting|pushing|importing|preparing build cache|writing|sending|merging)/.test(name)) return 'export';
  return /^\[/.test(name) ? 'run' : 'other';
}

/**
 * The steps of one attempt as bars over time, in the order in which they began, with the time in the queue before them. Steps that still run
 * end at `now`.
 * @param times when the build was queued and started, ms since the epoch
 */
export function barsOf(
  steps: Iterable<LogStep>,
  attempt: number,
  times: { readonly queuedAt: number; readonly startedAt: number | undefined },
  now: number,
): Bar[] {
  const own = [...steps].filter((step) => step.attempt === attempt && step.startedAt !== undefined);
  const waitedMs = Math.max(0, (times.startedAt ?? now) - times.queuedAt);
  const firstStep = Math.min(...own.map(({ startedAt = Number.POSITIVE_INFINITY }) => startedAt));
  // BuildKit's clock and Kiln's may differ: its first step is put at or after the start.
  const lead = times.startedAt === undefined ? 0 : Math.max(0, firstStep - times.startedAt);
  const origin = own.length === 0 ? 0 : firstStep - waitedMs - Math.min(lead, 60_000);
  const queue: Bar = { key: 'queue', name: 'in the queue', kind: 'queue', state: 'waited', fromMs: 0, ms: waitedMs };
  const bars = own
    .toSorted((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0) || a.number - b.number)
    .map((step): Bar => {
      const { startedAt = firstStep, endedAt = Math.max(now, startedAt), number, name, state, line } = step;
      return {
        ...{ key: `${attempt}.${number}`, name, kind: kindOf(name), state, line },
        fromMs: startedAt - origin,
        ms: Math.max(0, endedAt - startedAt),
      };
    });
  return [queue, ...bars];
}

/** The time by kind of work, ms: how long at least one step of the kind ran. Kinds that run side by side count each. */
export function timeByKind(bars: readonly Bar[]): ReadonlyMap<Kind, number> {
  const sums = new Map<Kind, number>();
  for (const kind of KINDS) {
    const spans = bars
      .filter((bar) => bar.kind === kind && bar.ms > 0)
      .map(({ fromMs, ms }) => [fromMs, fromMs + ms] as const)
      .sort(([a], [b]) => a - b);
    let sum = 0;
    let end = Number.NEGATIVE_INFINITY;
    for (const [from, to] of spans) {
      sum += Math.max(0, to - Math.max(from, end));
      end = Math.max(end, to);
    }
    if (sum > 0) sums.set(kind, sum);
  }
  return sums;
}
