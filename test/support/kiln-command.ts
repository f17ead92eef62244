import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cliOfRun } from '../../apps/cli/src/testing/cli-of-run.ts';
import { type CommandEnd, type CommandOutput, command, endOf } from './command.ts';
import type { Pool } from './pool/pool.ts';

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
    await mkdir(home, { recursive: true });
    return new KilnCommand(await cliOfRun(), {
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

  /** Runs `kiln` with something on its standard input. @throws Error with what it wrote if it fails */
  pipe(input: string, ...args: readonly string[]): Promise<CommandOutput> {
    return command(process.execPath, [this.#file, ...args], { input, env: this.#env });
  }

  /** Runs `kiln` in a directory. @throws Error with what it wrote if it fails */
  runIn(cwd: string, ...args: readonly string[]): Promise<CommandOutput> {
    return this.runWith({}, cwd, ...args);
  }

  /** Runs `kiln` in a directory, with variables of the user's. @throws Error with what it wrote if it fails */
  runWith(env: NodeJS.ProcessEnv, cwd: string, ...args: readonly string[]): Promise<CommandOutput> {
    return command(process.execPath, [this.#file, ...args], { cwd, env: { ...this.#env, ...env } });
  }

  /** Runs `kiln` in a directory, with variables of the user's, whether it succeeds or fails. */
  endWith(env: NodeJS.ProcessEnv, cwd: string, ...args: readonly string[]): Promise<CommandEnd> {
    return endOf(process.execPath, [this.#file, ...args], { cwd, env: { ...this.#env, ...env } });
  }
}
