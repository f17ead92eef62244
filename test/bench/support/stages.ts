import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchPool } from './kiln-up.ts';
import { median, table } from './report.ts';
import type { ProcessRun } from './whole-process.ts';

const PRELOAD = fileURLToPath(new URL('./mark-file.js', import.meta.url));
const PREFIX = 'kiln:';

/** Durations of the stages of one `kiln build`, ms. */
export type Stages = ReadonlyMap<string, number>;

/** What the CLI does, by its marks (`apps/cli/src/io/stages.ts`). All of them together are the whole process. */
const CLI = {
  start: 'start: until the command has its flags',
  walk: 'walk: list the context',
  digests: 'digests: look up or hash files, write the cache',
  encoding: 'encoding: make the directories’ objects',
  submit: 'submit: requests until 202',
  asking: 'asking: what the API lacks',
  sending: 'sending: that',
  following: 'following: the log, to its end',
  end: 'end: until the build’s record says so',
  result: 'result: print and fetch it',
  exit: 'exit',
} as const;

/** What happens on the server side while the CLI follows, by the build's record and the worker's log. */
const SERVER = {
  place: '  place: accepted → assigned',
  deliver: '  deliver: assigned → started',
  open: '  open: secrets, source',
  contextMs: '  context: working tree brought up to date',
  filesMs: '  files: logins, arguments, run directory',
  buildxMs: '  buildx: start → end of its output',
  outcomeMs: '  outcome: exit code, take back the run’s files',
  settle: '  settle: remove the run’s files, write the end',
  seen: '  seen: end written → end of the log at the CLI',
} as const;

/** Variables that make a process of Node write its marks into a file. */
export function marksTo(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, KILN_BENCH_MARKS: file };
}

/** @param run a `kiln build` that wrote its marks into `file` */
export async function stagesOf(pool: BenchPool, run: ProcessRun, file: string): Promise<Stages> {
  const marks = JSON.parse(await readFile(file, 'utf8')) as [string, number][];
  const stages = new Map<string, number>();
  const add = (name: string, ms: number) => void stages.set(name, (stages.get(name) ?? 0) + ms);
  let at = run.startedAtMs;
  let followedAt = Number.NaN;
  for (const [name, markedAt] of marks) {
    if (!name.startsWith(PREFIX)) continue;
    add(name.slice(PREFIX.length), markedAt - at);
    at = markedAt;
    if (name === `${PREFIX}following`) followedAt = at;
  }
  add('exit', run.startedAtMs + run.ms - at);
  const id = /^kiln: build (\S+)$/m.exec(run.printed)?.[1];
  if (id === undefined) throw new Error(`no id of a build in what was printed:\n${run.printed}`);
  const build = await pool.client.get(id);
  const [created, assigned, started, finished] = [
    build.createdAt,
    build.attempts[0]?.assignedAt,
    build.startedAt,
    build.finishedAt,
  ].map((time) => Date.parse(time ?? '')) as [number, number, number, number];
  const { time, ...laps } = await runLine(pool, id);
  const ranUntil = Date.parse(time);
  const ran = (['contextMs', 'filesMs', 'buildxMs', 'outcomeMs'] as const).map((name) => [name, laps[name]] as const);
  const ranMs = ran.reduce((sum, [, ms]) => sum + ms, 0);
  add('place', assigned - created);
  add('deliver', started - assigned);
  add('open', ranUntil - ranMs - started);
  for (const [name, ms] of ran) add(name, ms);
  add('settle', finished - ranUntil);
  add('seen', followedAt - finished);
  return stages;
}

interface RunLine {
  /** ISO 8601. */
  readonly time: string;
  readonly contextMs: number;
  readonly filesMs: number;
  readonly buildxMs: number;
  readonly outcomeMs: number;
}

async function runLine(pool: BenchPool, buildId: string): Promise<RunLine> {
  const lines = (await readFile(join(pool.data, 'kiln.log'), 'utf8')).split('\n');
  const line = lines.findLast((text) => text.includes('"build run ended"') && text.includes(buildId));
  if (line === undefined) throw new Error(`the log of kiln up has no end of the run of build ${buildId}`);
  return JSON.parse(line) as RunLine;
}

/** Formats the medians of the stages, a column for each case, which are numbered from 1. */
export function stageTable(columns: readonly { readonly stages: readonly Stages[] }[]): string {
  const of = (name: string, stages: readonly Stages[]) => median(stages.map((each) => each.get(name) ?? 0));
  const rows = (names: Readonly<Record<string, string>>) =>
    Object.entries(names).map(([name, title]) => [title, ...columns.map(({ stages }) => of(name, stages).toFixed(0))]);
  return table([['ms', ...columns.map((_, i) => `${i + 1}`)], ...rows(CLI), ...rows(SERVER)]);
}

/** Returns the medians, for a file. */
export function stageFigures(stages: readonly Stages[]): Record<string, number> {
  const names = [...new Set(stages.flatMap((each) => [...each.keys()]))];
  return Object.fromEntries(names.map((name) => [name, median(stages.map((each) => each.get(name) ?? 0))]));
}
