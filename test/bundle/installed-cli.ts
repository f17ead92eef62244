import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../apps/cli', import.meta.url));
/** The Node that runs the package. `KILN_TEST_NODE` names another one than that of the tests, such as one of version 22. */
const NODE = process.env.KILN_TEST_NODE || process.execPath;

/** Writes the URLs of the modules that were loaded as lines to standard error. */
const HOOK = `
import module from 'node:module';
module.registerHooks({ load(url, context, next) { process.stderr.write('loaded ' + url + '\\n'); return next(url, context); } });`;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The package of the CLI, as `npm pack` makes it, installed into an empty directory. */
export class InstalledCli {
  readonly tarball: string;
  readonly #dir: string;

  private constructor(dir: string, tarball: string) {
    this.#dir = dir;
    this.tarball = tarball;
  }

  static async install(dir: string): Promise<InstalledCli> {
    const app = join(dir, 'app');
    await mkdir(app, { recursive: true });
    await done('npm', ['pack', '--pack-destination', dir], CLI);
    const name = (await readdir(dir)).find((file) => file.endsWith('.tgz'));
    if (name === undefined) throw new Error(`npm pack left no .tgz in ${dir}`);
    await writeFile(join(app, 'package.json'), '{"private":true}');
    // Nothing but the tarball: a dependency that has to be fetched fails here.
    await done('npm', ['install', '--offline', '--no-audit', '--no-fund', join(dir, name)], app);
    return new InstalledCli(app, join(dir, name));
  }

  /** Runs the package's command. `prelude` is a module that is loaded before it. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}, prelude?: string): Promise<Ended> {
    const before = prelude === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(prelude)}`];
    // None of the variables by which a process of the repository is set up.
    const bare = { PATH: process.env.PATH, HOME: this.#dir, NO_COLOR: '1', ...env };
    return run(NODE, [...before, join(this.#dir, 'node_modules/.bin/kiln'), ...args], this.#dir, bare);
  }

  /** Runs the command, and returns the sources of which something was loaded, by their paths in the repository. */
  async sourcesLoadedBy(args: readonly string[]): Promise<string[]> {
    const { err } = await this.run(args, {}, HOOK);
    const own = [...err.matchAll(/^loaded (file:.*\/dist\/cli\/js\/.*\.js)$/gm)].map(([, url = '']) =>
      fileURLToPath(url),
    );
    if (own.length === 0) throw new Error(`no module was loaded: ${err}`);
    const maps = await Promise.all(own.map((file) => readFile(`${file}.map`, 'utf8').catch(() => '{"sources":[]}')));
    return maps
      .flatMap((map) => (JSON.parse(map) as { sources: string[] }).sources)
      .map((source) => source.replace('kiln:///', ''));
  }

  /** Size of all installed files, bytes. */
  async size(): Promise<number> {
    const files = await readdir(join(this.#dir, 'node_modules/@kiln'), { recursive: true, withFileTypes: true });
    const sizes = files.map(async (file) => (await stat(join(file.parentPath, file.name))).size);
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }
}

async function done(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { code, out, err } = await run(command, args, cwd, process.env);
  if (code !== 0) throw new Error(`${command} ${args[0]} exited with ${code}: ${err}${out}`);
}

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      said.out += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said.err += chunk;
    });
    child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
  });
}
