import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs a program in a directory. Returns what it printed, trimmed. @throws Error with what it wrote to standard error */
export async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await execute(program, args, { cwd, maxBuffer: MAX_OUTPUT_BYTES });
  return stdout.trim();
}
