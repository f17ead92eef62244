import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { type App, startFile } from './apps.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Read at run time by packages/state, from `../lua/` beside the code. */
const LUA = join(ROOT, 'packages/state/src/lua');

/** Gives libraries in CommonJS what they find in a file of their own. */
const BANNER = [
  "import{createRequire as $require}from'node:module'",
  'const require=$require(import.meta.url),__filename=import.meta.filename,__dirname=import.meta.dirname;',
].join(';');

/**
 * Bundles a program and all of its libraries into `outDir`, which it replaces: `js/` with the file that `startFile` names, a chunk for each
 * module that is imported when it is needed, and their source maps; `lua/` with the scripts that run in Redis. It needs nothing else but
 * Node 22 or newer. Until the bundle is complete, `outDir` keeps what it had.
 * @throws BuildFailure of esbuild
 */
export async function bundleApp(app: App, outDir: string): Promise<void> {
  const target = resolve(outDir);
  await mkdir(dirname(target), { recursive: true });
  const draft = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    await build(options(app, join(draft, 'js')));
    await nameSources(join(draft, 'js'));
    await writeFile(join(draft, 'js/package.json'), '{"type":"module"}\n');
    await cp(LUA, join(draft, 'lua'), { recursive: true });
    await chmod(draft, 0o755);
    await rm(target, { recursive: true, force: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function options(app: App, outdir: string): BuildOptions {
  const start = app === 'cli' ? 'cli' : 'service';
  return {
    stdin: {
      // Code that is imported before the cache is on would be compiled each time.
      contents: `${app === 'cli' ? '#!/usr/bin/env node\n' : ''}import './bundle/src/start/${start}.ts'; await import('./apps/${app}/src/main.ts');`,
      resolveDir: ROOT,
      sourcefile: `${app}-start.ts`,
    },
    outdir,
    entryNames: basename(startFile(app), '.js'),
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // A library's modules rather than a UMD file, whose calls of `require` no bundler sees.
    mainFields: ['module', 'main'],
    // Native parts, which their libraries do without.
    external: ['*.node', 'cpu-features'],
    // Names are kept: stacks stay readable even without the maps.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    banner: { js: BANNER },
    logLevel: 'silent',
  };
}

/** Names the sources in all maps as in the repository, `kiln:///apps/…`, wherever the bundle was made and is installed. */
async function nameSources(dir: string): Promise<void> {
  const maps = (await readdir(dir)).filter((name) => name.endsWith('.map'));
  await Promise.all(
    maps.map(async (name) => {
      const map = JSON.parse(await readFile(join(dir, name), 'utf8')) as { sources: string[] };
      map.sources = map.sources.map((source) => `kiln:///${relative(ROOT, resolve(dir, source))}`);
      await writeFile(join(dir, name), JSON.stringify(map));
    }),
  );
}
