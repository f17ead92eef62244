/**
 * `npm run bench:start [-- --rounds N --json FILE]`: measures how long the `kiln` command takes to start, bundled and from the sources, next to
 * a Node that does nothing. Whole processes, alternating; for `kiln build`, the time until its first request arrives.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleApp, startFile } from '@kiln/bundle';
import { median, ms, saveJson, say, table } from './support/report.ts';

/** Rounds that fill the caches of compiled code first. */
const WARM_UP_ROUNDS = 2;
const SOURCES = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '25' }, json: { type: 'string' } } });
const rounds = Number(values.rounds);
if (!(rounds >= 1)) throw new RangeError(`--rounds: got ${values.rounds}, expected a number of at least 1`);

await using stack = new AsyncDisposableStack();
const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-bench-start-')), (path) => rm(path, { recursive: true }));
await bundleApp('cli', join(dir, 'cli'));
const bundled = join(dir, 'cli', startFile('cli'));
await writeFile(join(dir, 'Dockerfile'), 'FROM scratch\n');

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
stack.defer(() => void server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const env = {
  ...process.env,
  KILN_URL: url,
  KILN_TOKEN: 'none',
  XDG_CACHE_HOME: join(dir, 'cache'),
  NODE_COMPILE_CACHE: '',
};

function node(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { env, stdio: 'ignore', cwd: dir });
}

/** How long a process takes from start to end, ms. @throws Error if it fails */
async function whole(args: readonly string[]): Promise<number> {
  const from = performance.now();
  const [code] = await once(node(args), 'exit');
  if (code !== 0) throw new Error(`node ${args.join(' ')} exited with ${code}`);
  return performance.now() - from;
}

/** How long a process takes from its start until its first request arrives, ms. @throws Error if it ends without one */
async function untilRequest(args: readonly string[]): Promise<number> {
  const from = performance.now();
  const child = node(args);
  const ended = once(child, 'exit');
  const asked = once(server, 'request').then(() => performance.now() - from);
  const taken = await Promise.race([asked, ended.then(() => undefined)]);
  if (taken === undefined) throw new Error(`node ${args.join(' ')} ended without a request`);
  child.kill('SIGKILL');
  await ended;
  return taken;
}

const CASES = [
  ['node -e 0', () => whole(['-e', '0'])],
  ['kiln --help, bundled', () => whole([bundled, '--help'])],
  ['kiln build --help, bundled', () => whole([bundled, 'build', '--help'])],
  ['kiln build, bundled, first request', () => untilRequest([bundled, 'build', '.'])],
  ['kiln --help, sources', () => whole([SOURCES, '--help'])],
  ['kiln build, sources, first request', () => untilRequest([SOURCES, 'build', '.'])],
] as const;

const taken = new Map<string, number[]>(CASES.map(([name]) => [name, []]));
for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
  for (const [name, measure] of CASES) {
    const time = await measure();
    if (round >= 0) taken.get(name)?.push(time);
  }
}

const figures = CASES.map(([name]) => ({ name, ms: median(taken.get(name) ?? []) }));
const base = figures[0]?.ms ?? Number.NaN;
say(
  `\nStart of the kiln command: Node ${process.version}, ${cpus().length} cores; medians of ${rounds} alternating rounds\n`,
);
say(
  table([['', 'median', 'ratio'], ...figures.map((one) => [one.name, ms(one.ms), `${(one.ms / base).toFixed(2)}x`])]),
);
await saveJson(values.json, { rounds, figures: figures.map((one) => ({ ...one, ratio: one.ms / base })) });
