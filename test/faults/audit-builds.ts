import { parseLogId, poolEvent } from '@kiln/contracts';
import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { State } from '@kiln/state';
import { type BuildLog, outputOf } from '../support/logs.ts';
import type { BuildKind } from './plan.ts';

/** Possible ends of each kind of build, unless its hosts fail it. */
const ENDS: Readonly<Record<BuildKind, readonly BuildRecord['state'][]>> = {
  quick: ['succeeded'],
  chatty: ['succeeded'],
  secret: ['succeeded'],
  push: ['succeeded'],
  artifact: ['succeeded'],
  broken: ['failed'],
  canceled: ['canceled', 'succeeded'],
};

/** Failure codes of builds that lost three attempts to faults of hosts. In a fault run that is bad luck, not a broken promise. */
const UNLUCKY: ReadonlySet<string> = new Set(['poisoned', 'infrastructure', 'host_lost']);

export function isUnlucky({ state, failure, attempts }: BuildRecord): boolean {
  return (
    state === 'failed' &&
    UNLUCKY.has(failure?.code ?? '') &&
    attempts.length >= 3 &&
    attempts.every(({ end }) => end === 'lost')
  );
}

/** Finds what is wrong with the end of a build. */
export function endFaults(build: BuildRecord, kind: BuildKind): string[] {
  if (!isTerminal(build.state)) return [`never ended: ${build.state}`];
  if (isUnlucky(build)) return [];
  const { state, failure, attempts } = build;
  if (!ENDS[kind].includes(state)) return [`a ${kind} build ${state}: ${JSON.stringify(failure)}`];
  if (kind === 'broken' && failure?.code !== 'step_failed') return [`a broken build failed with ${failure?.code}`];
  const open = attempts.filter(({ end }) => end === undefined);
  return open.length > 0 && state !== 'canceled' ? [`${open.length} attempts never ended`] : [];
}

/**
 * Finds what is wrong with a build's log. Each attempt must be numbered 1, 2, … without a gap and be closed by its only `end`; and what its
 * RUN printed must be complete and in order.
 */
export function logFaults(log: BuildLog, build: BuildRecord, lines: number): string[] {
  const faults: string[] = [];
  const attempts = Map.groupBy(log, ({ id }) => parseLogId(id)?.attempt ?? 0);
  // A build that was canceled while it waited has one more `end`, for the attempt that never started.
  const waited =
    build.state === 'canceled' &&
    build.attempts.at(-1)?.end !== 'canceled' &&
    attempts.size === build.attempts.length + 1;
  const expected = build.attempts.length + (waited ? 1 : 0);
  if (`${[...attempts.keys()]}` !== `${Array.from({ length: expected }, (_, i) => i + 1)}`) {
    faults.push(`the log has attempts ${[...attempts.keys()]}, expected ${expected} attempts`);
  }
  for (const [attempt, records] of attempts) {
    const seqs = records.map(({ id }) => parseLogId(id)?.seq);
    const wrong = seqs.findIndex((seq, i) => seq !== i + 1);
    if (wrong >= 0) faults.push(`attempt ${attempt}: got record ${seqs[wrong]}, expected ${wrong + 1}`);
    const ends = records.filter(({ type }) => type === 'end');
    if (ends.length !== 1 || records.at(-1) !== ends[0])
      faults.push(`attempt ${attempt}: got ${ends.length} \`end\` records, expected one as the last record`);
    const printed = [...outputOf(records).matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
    const gap = printed.findIndex((number, i) => number !== i + 1);
    if (gap >= 0) faults.push(`attempt ${attempt}: got line ${printed[gap]}, expected ${gap + 1}`);
    const whole =
      attempt === build.attempts.length && (build.state === 'succeeded' || build.failure?.code === 'step_failed');
    if (whole && printed.length !== lines) faults.push(`attempt ${attempt}: got ${printed.length} of ${lines} lines`);
  }
  const last = log.at(-1);
  if (last?.type !== 'end' || last.state !== build.state)
    faults.push(`the last record of the log is ${JSON.stringify(last)}`);
  return faults;
}

/** Finds what is wrong with the events of each build, by id. There must be exactly one end, and each revision once and in order. */
export async function eventFaults({ redis, keys }: State, ids: readonly string[]): Promise<Map<string, string[]>> {
  const seen = new Map<string, { revisions: number[]; ends: number }>(
    ids.map((id) => [id, { revisions: [], ends: 0 }]),
  );
  for (const [, fields] of await redis.xrange(keys.events(), '-', '+')) {
    const pairs = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]]);
    const event = poolEvent.parse(Object.fromEntries(pairs));
    const events = event.type === 'build' ? seen.get(event.id) : undefined;
    if (!events || event.type !== 'build') continue;
    events.revisions.push(event.revision);
    if (isTerminal(event.state)) events.ends += 1;
  }
  const faults = new Map<string, string[]>();
  for (const [id, { revisions, ends }] of seen) {
    const wrong = revisions.some((revision, i) => revision !== i + 1) ? [`events of revisions ${revisions}`] : [];
    faults.set(id, ends === 1 ? wrong : [...wrong, `ended ${ends} times`]);
  }
  return faults;
}
