import { chmod, cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'rolldown';
import { addPage } from './add-page.ts';
import { type App, startFile } from './apps.ts';
import { licencesOf } from './licences.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Read at run time by packages/state, from `../lua/` beside the code. */
const LUA = join(ROOT, 'packages/state/src/lua');

/** Libraries in CommonJS look for their files there. (Those files aren't in the bundle, and nothing here needs them.) */
const BANNER = 'const __filename=import.meta.filename,__dirname=import.meta.dirname;';
const START = 'start';

/**
 * Bundles a program and all of its libraries into `outDir`, which it replaces: `js/` with the file that `startFile` names, a chunk for each
 * module that is imported when it is needed, and their source maps; `lua/` with the scripts that run in Redis; `page/` with the page, if it serves that; `LICENSES.txt` with the
 * licences of the libraries. It needs nothing else but
 * Node 22 or newer. Until the bundle is complete, `outDir` keeps what it had.
 * @throws what Rolldown throws if a module can't be found or read
 */
export async function bundleApp(app: App, outDir: string): Promise<void> {
  const target = resolve(outDir);
  await mkdir(dirname(target), { recursive: true });
  const draft = await mkdtemp(join(dirname(target), `.${basename(target)}-`));
  try {
    const { output } = await build(options(app, join(draft, 'js')));
    const page = WITH_PAGE.has(app) ? await addPage(join(draft, 'page')) : [];
    const modules = [...output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : [])), ...page];
    await writeFile(join(draft, 'LICENSES.txt'), await licencesOf(modules));
    await writeFile(join(draft, 'js/package.json'), '{"type":"module"}\n');
    await cp(LUA, join(draft, 'lua'), { recursive: true });
    await chmod(draft, 0o755);
    await rm(target, { recursive: true, force: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Programs that serve the page. */
const WITH_PAGE: ReadonlySet<App> = new Set(['api', 'cli']);

/** Scripts of worker threads, each of which becomes a file of its own beside the program's, by its name. */
const THREADS: Readonly<Partial<Record<App, Record<string, string>>>> = {
  cli: { 'hash-worker': join(ROOT, 'apps/cli/src/context/digests/hash-worker.ts') },
};

/** The module that starts the program. Code that is imported before the cache is on would be compiled each time. */
function startModule(app: App): Plugin {
  const id = '\0start';
  const [hashbang, start] = app === 'cli' ? ['#!/usr/bin/env node\n', 'cli'] : ['', 'service'];
  return {
    name: 'start',
    resolveId: (source) => (source === START ? id : null),
    load: (loaded) =>
      loaded === id
        ? `${hashbang}import '${ROOT}infra/bundle/src/start/${start}.ts';\nawait import('${ROOT}apps/${app}/src/main.ts');`
        : null,
  };
}

function options(app: App, dir: string): BuildOptions {
  return {
    input: { [basename(startFile(app), '.js')]: START, ...THREADS[app] },
    cwd: ROOT,
    platform: 'node',
    // Native parts, which their libraries do without.
    external: [/\.node$/, 'cpu-features'],
    // A library's modules rather than a UMD file, whose calls of `require` no bundler sees.
    resolve: { mainFields: ['module', 'main'] },
    transform: { target: 'node22' },
    plugins: [startModule(app)],
    logLevel: 'silent',
    output: {
      dir,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name]-[hash].js',
      // Names are kept: stacks stay readable even without the maps.
      minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
      comments: false,
      banner: BANNER,
      sourcemap: true,
      sourcemapExcludeSources: true,
      // As in the repository, wherever the bundle was made and is installed.
      sourcemapPathTransform: (source, map) => `kiln:///${relative(ROOT, resolve(dirname(map), source))}`,
    },
  };
}
