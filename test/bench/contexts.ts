/**
 * `npm run bench:contexts [-- --runs N --only NAME --project DIR --big --json FILE]`: what it takes to bring a context to a build whose steps are all cached, as
 * whole processes: `kiln build` against `docker buildx build` on the same engine, alternating in one run; then where Kiln's time goes, in runs of their own.
 * `--big` also measures the peak memory of CLI, API and worker with a context of 2 GB. Fails only if a build fails.
 */
import { appendFile, cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleApp, startFile } from '@kiln/bundle';
import { type BenchContext, dockerfiles, freshCopy, makeContext, makeLargeFile } from './support/contexts.ts';
import { GitRemote } from './support/git-remote.ts';
import { kilnUp } from './support/kiln-up.ts';
import { measureMemory } from './support/peak-memory.ts';
import { mb, median, saveJson, say, table } from './support/report.ts';
import { marksTo, type Stages, stageFigures, stagesOf, stageTable } from './support/stages.ts';
import { type ProcessRun, peakOf, resetPeak, runWhole } from './support/whole-process.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '7' },
    only: { type: 'string' },
    project: { type: 'string' },
    big: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const runs = Math.max(3, Number(values.runs));
/** Runs of each case that show where the time goes. */
const STAGE_RUNS = 3;

interface Row {
  readonly name: string;
  /** Most that Kiln may take, in times of buildx. */
  readonly goal: number;
  readonly kiln: ProcessRun[];
  readonly buildx: ProcessRun[];
  readonly stages: Stages[];
}

interface Case {
  readonly name: string;
  readonly goal: number;
  /** Returns what both build from, before each pair of runs. */
  before(run: number): Promise<string>;
  /** What is done before either build of a pair, so that both find the same. */
  between?(): Promise<void>;
  readonly runs?: number;
  readonly isFirst?: boolean;
}

await using pool = await kilnUp();
const cli = join(pool.dir, 'cli');
await bundleApp('cli', cli);
const home = join(pool.dir, 'home');
await mkdir(home);

const command = join(cli, startFile('cli'));
const kiln = (context: string, repo: string, env: Readonly<Record<string, string>> = {}) =>
  runWhole(process.execPath, [command, 'build', ...named(context, repo), '--progress=plain', context], {
    ...pool.env,
    HOME: home,
    XDG_CACHE_HOME: join(home, '.cache'),
    ...env,
  });
/** A git source is named by its URL. */
const named = (context: string, repo: string) => (context.startsWith('git:') ? [] : ['--repo', repo]);
const buildx = (context: string) =>
  runWhole('docker', [
    'buildx',
    '--builder',
    'default',
    'build',
    '--progress=plain',
    '--output=type=cacheonly',
    context,
  ]);

async function measure(each: Case): Promise<Row> {
  const row: Row = { name: each.name, goal: each.goal, kiln: [], buildx: [], stages: [] };
  // Until nothing is new for either. A first upload has no warm-up.
  if (!each.isFirst) {
    const context = await each.before(-1);
    for (let i = 0; i < 2; i += 1) {
      await kiln(context, repoOf(each));
      await buildx(context);
    }
  }
  for (let run = 0; run < (each.runs ?? runs); run += 1) {
    const context = await each.before(run);
    const both = [
      async () => void row.kiln.push(await kiln(context, each.isFirst ? `${repoOf(each)}-${run}` : repoOf(each))),
      async () => void row.buildx.push(await buildx(context)),
    ];
    // In turn, so that neither always finds the files in the page cache.
    for (const one of run % 2 === 0 ? both : both.reverse()) {
      await each.between?.();
      await one();
    }
  }
  for (let run = 0; run < Math.min(STAGE_RUNS, each.runs ?? STAGE_RUNS); run += 1)
    row.stages.push(await staged(each, runs + run));
  say(`  ${each.name}: ${ratio(row).toFixed(2)}`);
  return row;
}

async function staged(each: Case, run: number): Promise<Stages> {
  const context = await each.before(run);
  await each.between?.();
  const marks = join(pool.dir, 'marks.json');
  const done = await kiln(context, each.isFirst ? `${repoOf(each)}-${run}` : repoOf(each), marksTo(marks));
  return stagesOf(pool, done, marks);
}

const repoOf = ({ name }: Case) => `bench-${name.replace(/\W+/g, '-')}`;
const ratio = (row: Row) => median(row.kiln.map(({ ms }) => ms)) / median(row.buildx.map(({ ms }) => ms));

const at = (name: string) => join(pool.dir, 'contexts', name);
const made = new Map<string, Promise<BenchContext>>();
/** Makes a context once. */
function context(name: string, make: (dir: string) => Promise<BenchContext>): Promise<BenchContext> {
  const known = made.get(name) ?? make(at(name));
  made.set(name, known);
  return known;
}

const two = () =>
  context('two', (dir) => makeContext(dir, { files: 1, bytes: 10_000, perDirectory: 1, dockerfile: dockerfiles.all }));
const project = () =>
  context('project', async (dir) => {
    if (values.project === undefined)
      return makeContext(dir, { files: 1_394, bytes: 17e6, perDirectory: 30, dockerfile: dockerfiles.all });
    await cp(values.project, dir, { recursive: true });
    await writeFile(join(dir, 'Dockerfile'), dockerfiles.all);
    return sizeOf(dir);
  });
const large = () => context('large', (dir) => makeLargeFile(dir, 200e6));
const many = (name: string, dockerfile: string) =>
  context(name, (dir) => makeContext(dir, { files: 20_000, bytes: 149e6, perDirectory: 20, dockerfile }));

async function sizeOf(dir: string): Promise<BenchContext> {
  const entries = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const sizes = await Promise.all(entries.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size));
  return { dir, files: entries.length, bytes: sizes.reduce((a, b) => a + b, 0) };
}

async function change(dir: string): Promise<void> {
  await appendFile(join(dir, 'src', 'd700', 'f14001.c'), '/* changed */\n');
}

await using git = await GitRemote.start(join(pool.dir, 'contexts'));

const CASES: readonly Case[] = [
  { name: '2 files', goal: 1.2, before: async () => (await two()).dir },
  { name: 'a project of 1,395 files, 17 MB', goal: 1.3, before: async () => (await project()).dir },
  { name: 'one file of 200 MB', goal: 1.3, before: async () => (await large()).dir },
  { name: '20,000 files, 149 MB, 100 copied', goal: 1.6, before: async () => (await many('few', dockerfiles.few)).dir },
  {
    name: '20,000 files, one of them changed',
    goal: 1.6,
    async before() {
      const { dir } = await many('few', dockerfiles.few);
      await change(dir);
      return dir;
    },
  },
  {
    name: 'a fresh copy of 20,000 files, all copied',
    goal: 0.5,
    runs: Math.min(runs, 3),
    before: async () => (await many('all', dockerfiles.all)).dir,
    between: async () => freshCopy((await many('all', dockerfiles.all)).dir),
  },
  {
    name: 'git, 20,000 files, a commit with one changed',
    goal: 0.5,
    runs: Math.min(runs, 5),
    async before() {
      const { dir } = await context('git', async (path) => {
        const made = await makeContext(path, {
          files: 20_000,
          bytes: 149e6,
          perDirectory: 20,
          dockerfile: dockerfiles.few,
        });
        git.init(path);
        return made;
      });
      await change(dir);
      return git.commit(dir);
    },
  },
  {
    name: 'a first upload of 20,000 files, 149 MB',
    goal: 3,
    isFirst: true,
    runs: 3,
    async before(run) {
      // Neither has seen these files: each has another first line.
      const { dir } = await context(`first-${run}`, (path) =>
        makeContext(path, { files: 20_000, bytes: 149e6, perDirectory: 20, dockerfile: dockerfiles.all }),
      );
      await rm(join(home, '.cache'), { recursive: true, force: true });
      return dir;
    },
  },
];

const chosen = CASES.filter(({ name }) => values.only === undefined || name.includes(values.only));
if (chosen.length === 0)
  throw new RangeError(`--only: got ${values.only}, expected part of: ${CASES.map(({ name }) => name).join('; ')}`);
say(`Kiln ÷ docker buildx build, whole processes, everything cached, ${runs} runs each, alternating\n`);
await resetPeak(pool.pid);
const rows: Row[] = [];
for (const each of chosen) rows.push(await measure(each));

const seconds = (figures: readonly ProcessRun[]) => `${(median(figures.map(({ ms }) => ms)) / 1000).toFixed(2)} s`;
say('');
say(
  table([
    ['', 'buildx', 'kiln', 'ratio', 'goal', 'kiln’s peak memory'],
    ...rows.map((row) => [
      row.name,
      seconds(row.buildx),
      seconds(row.kiln),
      ratio(row).toFixed(2),
      `≤ ${row.goal}`,
      mb(Math.max(...row.kiln.map(({ peakBytes }) => peakBytes))),
    ]),
  ]),
);
say('\nWhere kiln’s time goes, medians; what is indented goes on while the CLI submits and follows\n');
say(stageTable(rows));
say('');
rows.forEach(({ name }, i) => {
  say(`  ${i + 1}: ${name}`);
});
say(`\n  peak memory of kiln up (API, scheduler and worker in one process): ${mb(await peakOf(pool.pid))}`);
const memory = values.big ? await measureMemory({ dir: join(pool.dir, 'big'), command }) : undefined;
await saveJson(values.json, {
  memory,
  cases: rows.map((row) => ({
    name: row.name,
    goal: row.goal,
    ratio: ratio(row),
    kilnMs: row.kiln.map(({ ms }) => ms),
    buildxMs: row.buildx.map(({ ms }) => ms),
    stagesMs: stageFigures(row.stages),
  })),
});
