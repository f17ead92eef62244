import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface CommandOptions {
  readonly cwd?: string;
  /** Variables besides those of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** What is on its standard input. Default: nothing. */
  readonly input?: string;
}

export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandEnd extends CommandOutput {
  /** Its exit code; null if a signal ended it. */
  readonly code: number | null;
}

/** Runs a command to its end. @throws Error with what it wrote if it fails */
export async function command(
  name: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutput> {
  const { code, stdout, stderr } = await endOf(name, args, options);
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} exited with ${code}:\n${stderr}${stdout}`);
  return { stdout, stderr };
}

/** Runs a command to its end, whether it succeeds or fails. @throws Error if it can't be started */
export async function endOf(
  name: string,
  args: readonly string[],
  { cwd, env, input = '' }: CommandOptions = {},
): Promise<CommandEnd> {
  const child = spawn(name, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  // It may end without reading all of it.
  child.stdin.on('error', () => {}).end(input);
  const exited = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { stdout, stderr, code };
}
