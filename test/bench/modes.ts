/**
 * `npm run bench:modes [-- --runs N --json FILE]`: one real project (examples/toolbox) in each cache mode, as whole processes, beside what one does by hand with
 * `docker buildx`: a fresh builder with a registry cache, one with a local cache, and a long-lived one. Each build is one of a fresh checkout. The registry is on this
 * machine, which flatters everything that uses it. Fails only if a build fails.
 */
import { execFile } from 'node:child_process';
import { cp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { startPrivateRegistry } from '@kiln/buildkit/testing';
import { bundleApp, startFile } from '@kiln/bundle';
import { kilnUp } from './support/kiln-up.ts';
import { median, saveJson, say, table } from './support/report.ts';
import { runWhole } from './support/whole-process.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' }, json: { type: 'string' } } });
const runs = Math.max(1, Number(values.runs));

const run = promisify(execFile);
const docker = (...args: string[]) => run('docker', args, { maxBuffer: 64 * 1024 * 1024 });
const EXAMPLE = fileURLToPath(new URL('../../examples/toolbox', import.meta.url));
const BASE = process.env.KILN_EXAMPLE_GCC_IMAGE ?? 'kiln.local/gcc:bookworm';
const BUILDKIT = process.env.KILN_BUILDKIT_IMAGE ?? 'kiln.local/buildkit:1';

const CHANGES = {
  'nothing changed': async () => {},
  'source changed': async (dir: string, n: number) => await append(join(dir, 'src', 'crc.c'), `\nint changed_${n};\n`),
  // Other flags: everything is compiled.
  'dependency changed': async (dir: string, n: number) => await append(join(dir, 'Makefile'), `\nFLAGS += -DN=${n}\n`),
} as const;
type Change = keyof typeof CHANGES;

await using registry = await startPrivateRegistry({ listenAt: '0.0.0.0', isOpen: true });
const port = registry.host.split(':')[1];
const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
/** The registry as builders in containers reach it. */
const host = `${address}:${port}`;
const name = `modes-${process.pid}`;
const lasting = `${name}-lasting`;
// Last, when the pool has ended.
await using _ = { [Symbol.asyncDispose]: removeBuilders };
await using pool = await kilnUp({ name, driver: 'docker-container', env: { KILN_REGISTRY_PLAIN_HTTP: host } });
const cli = join(pool.dir, 'cli');
await bundleApp('cli', cli);
const pushed = `127.0.0.1:${port}/base:1`;
await docker('tag', BASE, pushed);
await docker('push', '-q', pushed);
await docker('rmi', pushed);
const config = join(pool.dir, 'buildkitd.toml');
await writeFile(config, `[registry."${host}"]\n  http = true\n`);

const base = `--build-arg=BASE=${host}/base:1`;
const kiln = (mode: string) => (context: string) =>
  runWhole(
    process.execPath,
    [
      join(cli, startFile('cli')),
      'build',
      '--repo',
      `toolbox-${mode}`,
      '--cache',
      mode,
      base,
      '-t',
      `${host}/kiln-${mode}:1`,
    ].concat(['--push', '--provenance=false', '--progress=plain', context]),
    { ...pool.env, HOME: pool.dir, XDG_CACHE_HOME: join(pool.dir, '.cache') },
  );

/** Builds with a fresh builder by hand; the time of creating and removing it counts. */
function byHand(kind: string, flags: () => string[], after: () => Promise<void> = async () => {}) {
  return async (context: string) => {
    const builder = `${name}-${kind}`;
    const startedAt = performance.now();
    await createBuilder(builder);
    try {
      await buildByHand(builder, kind, context, flags());
      await after();
    } finally {
      await docker('buildx', 'rm', '--force', builder);
    }
    return { ms: performance.now() - startedAt };
  };
}

const createBuilder = (builder: string) =>
  docker(
    'buildx',
    'create',
    '--name',
    builder,
    '--driver=docker-container',
    `--driver-opt=image=${BUILDKIT}`,
    '--config',
    config,
    '--bootstrap',
  );
const buildByHand = (builder: string, kind: string, context: string, flags: readonly string[]) =>
  docker(
    'buildx',
    'build',
    '--builder',
    builder,
    base,
    '-t',
    `${host}/hand-${kind}:1`,
    '--push',
    '--provenance=false',
    ...flags,
    context,
  );

const local = join(pool.dir, 'local');
const [from, to] = [`--cache-from=type=local,src=${local}`, `--cache-to=type=local,dest=${local}.new,mode=max`];
const cached = `type=registry,ref=${host}/hand-registry:cache`;
await createBuilder(lasting);

const CASES: Readonly<Record<string, (context: string) => Promise<{ readonly ms: number }>>> = {
  'kiln --cache warm': kiln('warm'),
  'kiln --cache registry': kiln('registry'),
  'kiln --cache archive': kiln('archive'),
  'kiln --cache fresh': kiln('fresh'),
  'by hand, long-lived builder': async (context) => {
    const startedAt = performance.now();
    await buildByHand(lasting, 'lasting', context, []);
    return { ms: performance.now() - startedAt };
  },
  'by hand, registry cache': byHand('registry', () => [`--cache-from=${cached}`, `--cache-to=${cached},mode=max`]),
  'by hand, local cache': byHand(
    'local',
    () => [from, to],
    async () => {
      await rm(local, { recursive: true, force: true });
      await cp(`${local}.new`, local, { recursive: true });
      await rm(`${local}.new`, { recursive: true });
    },
  ),
};

const figures: Record<string, Partial<Record<Change, number>>> = {};
for (const [label, build] of Object.entries(CASES)) {
  const source = join(pool.dir, 'source');
  await rm(source, { recursive: true, force: true });
  await cp(EXAMPLE, source, { recursive: true });
  const once = async () => {
    // A checkout of its own, with new times, in the same place.
    const context = join(pool.dir, 'checkout');
    await rm(context, { recursive: true, force: true });
    await cp(source, context, { recursive: true });
    return (await build(context)).ms;
  };
  await once();
  const own: Partial<Record<Change, number>> = {};
  for (const [change, apply] of Object.entries(CHANGES)) {
    const taken: number[] = [];
    for (let i = 0; i < runs; i++) {
      await apply(source, i);
      taken.push(await once());
    }
    own[change as Change] = median(taken);
  }
  figures[label] = own;
  say(
    `${label}: ${Object.entries(own)
      .map(([change, ms]) => `${change} ${seconds(ms)}`)
      .join(', ')}`,
  );
}

const changes = Object.keys(CHANGES) as Change[];
const warm = figures['kiln --cache warm'] ?? {};
const cell = (own: Partial<Record<Change, number>>, change: Change) =>
  `${seconds(own[change])} (${((own[change] ?? Number.NaN) / (warm[change] ?? Number.NaN)).toFixed(1)}x)`;
say(`\nseconds from start to exit, median of ${runs}, and times of kiln --cache warm:`);
say(
  table([
    ['', ...changes],
    ...Object.entries(figures).map(([label, own]) => [label, ...changes.map((change) => cell(own, change))]),
  ]),
);
await saveJson(values.json, figures);

function seconds(ms = Number.NaN): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

async function append(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: 'a' });
}

/** The pool's long-lived builders stay when it ends, and so does the one of this bench. */
async function removeBuilders(): Promise<void> {
  await docker('buildx', 'rm', '--force', lasting).catch(() => undefined);
  const { stdout } = await docker('ps', '-aq', '--filter', `name=buildx_buildkit_kiln-${name}-`);
  for (const id of stdout.split('\n').filter(Boolean)) await docker('rm', '--force', id);
  const volumes = await docker('volume', 'ls', '-q', '--filter', `name=buildx_buildkit_kiln-${name}-`);
  for (const volume of volumes.stdout.split('\n').filter(Boolean)) await docker('volume', 'rm', volume);
}
