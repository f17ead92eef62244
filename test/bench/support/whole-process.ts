import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';

export interface ProcessRun {
  /** Ms since the epoch. */
  readonly startedAtMs: number;
  readonly ms: number;
  /** Most resident memory that was seen of it, bytes. */
  readonly peakBytes: number;
  /** To standard output and error. */
  readonly printed: string;
}

const SAMPLE_MS = 20;

/** Runs a command from its start to its exit. @throws Error with what it printed if it fails */
export async function runWhole(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProcessRun> {
  const startedAt = performance.now();
  const startedAtMs = performance.timeOrigin + startedAt;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk;
    });
  }
  let peakBytes = 0;
  const sampler = setInterval(async () => {
    peakBytes = Math.max(peakBytes, await peakOf(child.pid));
  }, SAMPLE_MS);
  const [code] = await once(child, 'exit');
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${code}:\n${printed}`);
  return { startedAtMs, ms: performance.now() - startedAt, peakBytes, printed };
}

/** Most resident memory that a process has had, bytes; 0 if it has ended. */
export async function peakOf(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Sets the peak of a process to what it has now. Linux only, and only with permission. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}
