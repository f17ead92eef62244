import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oncePerRun } from '@kiln/buildkit/testing';
import { bundleApp, startFile } from '@kiln/bundle';
import { type CommandOutput, command } from './command.ts';
import type { Pool } from './pool/pool.ts';

const SOURCES = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));

/** The `kiln` command of a user of a pool. */
export class KilnCommand {
  readonly #env: NodeJS.ProcessEnv;
  readonly #file: string;

  private constructor(file: string, env: NodeJS.ProcessEnv) {
    this.#file = file;
    this.#env = env;
  }

  /** @param home the user's home directory, which this creates @param url the API. Default: the first that is running */
  static async of(pool: Pool, home: string, url?: string): Promise<KilnCommand> {
    const bundle = await oncePerRun('cli', (path) => bundleApp('cli', path));
    await mkdir(home, { recursive: true });
    const file = bundle === undefined ? SOURCES : join(bundle, startFile('cli'));
    return new KilnCommand(file, {
      ...pool.clientEnv,
      ...(url !== undefined && { KILN_URL: url }),
      HOME: home,
      XDG_CACHE_HOME: join(home, '.cache'),
      NO_COLOR: '1',
    });
  }

  /** Runs `kiln`. @throws Error with what it wrote if it fails */
  readonly run = (...args: readonly string[]): Promise<CommandOutput> =>
    command(process.execPath, [this.#file, ...args], { env: this.#env });

  /** Runs `kiln` in a directory. @throws Error with what it wrote if it fails */
  runIn(cwd: string, ...args: readonly string[]): Promise<CommandOutput> {
    return command(process.execPath, [this.#file, ...args], { cwd, env: this.#env });
  }
}
