/**
 * `npm run demo`: starts a pool on this machine, and builds a real project with it, first cold, then warm after a change of one line.
 * All files are in a temporary directory, which is removed at the end; only the builder's cache stays.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KILN = join(ROOT, 'apps/cli/src/main.ts');
const PROJECT = join(ROOT, 'examples/typescript-service');
/** A file of the project whose change causes a compilation but no installation of packages. */
const CHANGED_FILE = 'src/server/main.ts';
const START_TIMEOUT_MS = 120_000;

interface Run {
  readonly title: string;
  readonly seconds: number;
}

const say = (text: string) => process.stdout.write(`${text}\n`);

class DemoFailed extends Error {}

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'kiln-demo-'));
  const dataDir = join(work, 'data');
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let pool: ChildProcess | undefined;
  try {
    pool = await startPool(dataDir, stop.signal);
    const project = join(work, 'flagpost');
    await copyAsNewProject(project);
    const build = (title: string) => timedBuild(title, project, dataDir, stop.signal);

    const runs = [
      await build('cold: a project that this pool has never built'),
      await change(project).then(() => build(`warm: one line changed in ${CHANGED_FILE}`)),
      await build('warm: nothing changed'),
    ];
    say(summary(runs));
  } finally {
    if (pool) await stopPool(pool);
    await rm(work, { recursive: true, force: true });
  }
}

/** Starts `kiln up`, which has its own Redis, and waits until it is ready. */
async function startPool(dataDir: string, signal: AbortSignal): Promise<ChildProcess> {
  say('demo: starting a pool: API, scheduler, worker and Redis');
  const args = [KILN, 'up', '--data-dir', dataDir, '--port', '0', '--name', 'demo', '--slots', '1'];
  const pool = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'], detached: true });
  let said = '';
  const ready = new Promise<void>((resolve, reject) => {
    pool.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      process.stderr.write(chunk);
      if (said.includes('kiln up: ready')) resolve();
    });
    pool.once('exit', (code) => reject(new DemoFailed(`kiln up exited with ${code}`)));
    signal.addEventListener('abort', () => reject(new DemoFailed('interrupted')), { once: true });
  });
  const late = setTimeout(() => pool.kill('SIGTERM'), START_TIMEOUT_MS);
  try {
    await ready;
  } catch (error) {
    await stopPool(pool);
    throw error;
  } finally {
    clearTimeout(late);
  }
  return pool;
}

async function stopPool(pool: ChildProcess): Promise<void> {
  if (pool.exitCode !== null || pool.signalCode !== null) return;
  const exited = once(pool, 'exit');
  pool.kill('SIGINT');
  await exited;
}

/** Copies the project under a unique name, so that no layer and no cache mount of an earlier demo matches. */
async function copyAsNewProject(project: string): Promise<void> {
  await cp(PROJECT, project, {
    recursive: true,
    filter: (path) => !/[\\/](node_modules|dist|\.cache)$/.test(path),
  });
  const manifest = join(project, 'package.json');
  const parsed = JSON.parse(await readFile(manifest, 'utf8')) as Record<string, unknown>;
  await writeFile(manifest, `${JSON.stringify({ ...parsed, name: demoName(project) }, null, 2)}\n`);
}

function demoName(project: string): string {
  return `flagpost-${project.split('kiln-demo-')[1]?.split('/')[0]?.toLowerCase() ?? 'demo'}`;
}

async function change(project: string): Promise<void> {
  await appendFile(join(project, CHANGED_FILE), `\nexport const demoChangedAt = ${Date.now()};\n`);
}

/** Runs one `kiln build`, as a user would, with its log on this terminal. */
async function timedBuild(title: string, project: string, dataDir: string, signal: AbortSignal): Promise<Run> {
  const image = process.env.KILN_EXAMPLE_NODE_IMAGE;
  const args = ['build', '--progress', 'plain', '--repo', demoName(project), '-t', 'flagpost:demo'];
  const base = image ? ['--build-arg', `BASE=${image}`] : [];
  say(`\n── ${title}\n   kiln ${[...args, ...base].join(' ')} .\n`);
  const startedAt = performance.now();
  const build = spawn(process.execPath, [KILN, ...args, ...base, project], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, KILN_DATA_DIR: dataDir },
  });
  signal.addEventListener('abort', () => build.kill('SIGINT'), { once: true });
  const [code] = (await once(build, 'exit')) as [number | null];
  if (code !== 0) throw new DemoFailed(`the build failed: kiln build exited with ${code}`);
  return { title, seconds: (performance.now() - startedAt) / 1000 };
}

function summary(runs: readonly Run[]): string {
  const cold = runs[0]?.seconds ?? 0;
  const rows = runs.map(({ title, seconds }) => {
    const ratio = seconds === cold ? '' : `${(cold / seconds).toFixed(1)}× faster`;
    return `  ${title.padEnd(52)} ${seconds.toFixed(1).padStart(7)} s  ${ratio}`.trimEnd();
  });
  return ['', '── times of kiln build, from start to exit', '', ...rows, ''].join('\n');
}

try {
  await main();
} catch (error) {
  if (!(error instanceof DemoFailed)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
}
