import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a command. Returns its stdout. @throws Error with its stderr if it fails */
export async function run(command: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await execute(command, [...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(`${[command, ...args].join(' ')}: ${stderr.trim() || message}`);
  }
}

/** Runs a command. Returns whether it succeeded. */
export async function succeeds(command: string, ...args: readonly string[]): Promise<boolean> {
  return await execute(command, [...args]).then(
    () => true,
    () => false,
  );
}
