import { parseLogId, poolEvent } from '@kiln/contracts';
import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { State } from '@kiln/state';
import { type BuildLog, outputOf } from '../support/logs.ts';
import type { BuildKind } from './plan.ts';

/** How a build of each kind ends where no host fails it. */
const ENDS: Readonly<Record<BuildKind, readonly BuildRecord['state'][]>> = {
  quick: ['succeeded'],
  chatty: ['succeeded'],
  secret: ['succeeded'],
  push: ['succeeded'],
  artifact: ['succeeded'],
  broken: ['failed'],
  canceled: ['canceled', 'succeeded'],
};

/** Codes of builds that three attempts weren't enough for: bad luck under this fire, and no fault. */
const UNLUCKY: ReadonlySet<string> = new Set(['poisoned', 'infrastructure', 'host_lost']);

export function isUnlucky({ state, failure, attempts }: BuildRecord): boolean {
  return (
    state === 'failed' &&
    UNLUCKY.has(failure?.code ?? '') &&
    attempts.length >= 3 &&
    attempts.every(({ end }) => end === 'lost')
  );
}

/** What is wrong with how a build ended. */
export function endFaults(build: BuildRecord, kind: BuildKind): string[] {
  if (!isTerminal(build.state)) return [`never ended: ${build.state}`];
  if (isUnlucky(build)) return [];
  const { state, failure, attempts } = build;
  if (!ENDS[kind].includes(state)) return [`a ${kind} build ${state}: ${JSON.stringify(failure)}`];
  if (kind === 'broken' && failure?.code !== 'step_failed') return [`a broken build failed with ${failure?.code}`];
  const open = attempts.filter(({ end }) => end === undefined);
  return open.length > 0 && state !== 'canceled' ? [`${open.length} attempts never ended`] : [];
}

/** What is wrong with a build's log: every attempt numbered 1, 2, … without gap, closed by its one `end`, what its RUN printed whole and in order. */
export function logFaults(log: BuildLog, build: BuildRecord, lines: number): string[] {
  const faults: string[] = [];
  const attempts = Map.groupBy(log, ({ id }) => parseLogId(id)?.attempt ?? 0);
  // A build that was canceled while it waited has an `end` of its own for that wait.
  const waited =
    build.state === 'canceled' &&
    build.attempts.at(-1)?.end !== 'canceled' &&
    attempts.size === build.attempts.length + 1;
  const expected = build.attempts.length + (waited ? 1 : 0);
  if (`${[...attempts.keys()]}` !== `${Array.from({ length: expected }, (_, i) => i + 1)}`) {
    faults.push(`a log of attempts ${[...attempts.keys()]} where there were ${expected}`);
  }
  for (const [attempt, records] of attempts) {
    const seqs = records.map(({ id }) => parseLogId(id)?.seq);
    const wrong = seqs.findIndex((seq, i) => seq !== i + 1);
    if (wrong >= 0) faults.push(`attempt ${attempt}: record ${seqs[wrong]} where ${wrong + 1} was due`);
    const ends = records.filter(({ type }) => type === 'end');
    if (ends.length !== 1 || records.at(-1) !== ends[0])
      faults.push(`attempt ${attempt}: ${ends.length} ends, or not at the end`);
    const printed = [...outputOf(records).matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
    const gap = printed.findIndex((number, i) => number !== i + 1);
    if (gap >= 0) faults.push(`attempt ${attempt}: printed line ${printed[gap]} where ${gap + 1} was due`);
    const whole =
      attempt === build.attempts.length && (build.state === 'succeeded' || build.failure?.code === 'step_failed');
    if (whole && printed.length !== lines) faults.push(`attempt ${attempt}: ${printed.length} of ${lines} lines`);
  }
  const last = log.at(-1);
  if (last?.type !== 'end' || last.state !== build.state) faults.push(`the log’s last word is ${JSON.stringify(last)}`);
  return faults;
}

/** What is wrong with the story that the event stream tells of each build: exactly one end, and no revision twice. By id. */
export async function eventFaults({ redis, keys }: State, ids: readonly string[]): Promise<Map<string, string[]>> {
  const told = new Map<string, { revisions: number[]; ends: number }>(
    ids.map((id) => [id, { revisions: [], ends: 0 }]),
  );
  for (const [, fields] of await redis.xrange(keys.events(), '-', '+')) {
    const pairs = Array.from({ length: fields.length / 2 }, (_, i) => [fields[2 * i], fields[2 * i + 1]]);
    const event = poolEvent.parse(Object.fromEntries(pairs));
    const story = event.type === 'build' ? told.get(event.id) : undefined;
    if (!story || event.type !== 'build') continue;
    story.revisions.push(event.revision);
    if (isTerminal(event.state)) story.ends += 1;
  }
  const faults = new Map<string, string[]>();
  for (const [id, { revisions, ends }] of told) {
    const wrong = revisions.some((revision, i) => revision !== i + 1) ? [`events of revisions ${revisions}`] : [];
    faults.set(id, ends === 1 ? wrong : [...wrong, `ended ${ends} times`]);
  }
  return faults;
}
