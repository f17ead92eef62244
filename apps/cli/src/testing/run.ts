import { runCli } from '../cli.ts';
import { type FakeIo, type FakeIoOptions, fakeIo } from './fake-io.ts';

export interface RunResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line, given as words or as one line that is split at spaces. */
export async function runIn(io: FakeIo, line: string | readonly string[]): Promise<RunResult> {
  const code = await runCli(typeof line === 'string' ? line.split(' ') : line, io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

/** Runs a command line that needs no server. */
export function run(line: string | readonly string[], options: FakeIoOptions = {}): Promise<RunResult> {
  return runIn(fakeIo(options), line);
}
