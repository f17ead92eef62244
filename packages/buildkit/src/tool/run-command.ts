import type { ToolContainer } from './tool-container.ts';

const COMMAND_TIMEOUT_MS = 60_000;

/**
 * Runs a command in the tool container and returns its stdout.
 * @throws Error if its exit code isn't 0 @throws EngineError
 */
export async function runCommand(
  tool: Pick<ToolContainer, 'capture'>,
  argv: readonly string[],
  timeoutMs = COMMAND_TIMEOUT_MS,
): Promise<string> {
  const { exitCode, stdout, stderr } = await tool.capture(argv, timeoutMs);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: exit code ${exitCode ?? 'unknown'}: ${stderr.trim()}`);
  return stdout;
}
