import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

/** What git is started with, and what holds it in. */
export interface GitRun {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Largest file that git may write: what the other side sends comes as one. */
  readonly maxFileBytes: number;
  /** Most that is read of what git prints. */
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
  readonly stdin?: string;
}

/** `output` is cut off at `maxOutputBytes`; git is ended then. */
export type GitEnd =
  | { readonly ok: true; readonly output: Buffer; readonly isCut: boolean }
  | { readonly ok: false; readonly why: 'exit' | 'timeout' | 'too_large'; readonly stderr: string };

/** Others, who are to be answered at once, go first: niceness. */
const NICENESS = 10;
const MAX_STDERR_CHARS = 16 * 1024;
const BLOCK_BYTES = 512;

/**
 * Runs git in a process group of its own, so that with it ends what it has started: its helpers hold the connections.
 * @throws the signal's reason
 */
export async function runGit(args: readonly string[], run: GitRun): Promise<GitEnd> {
  run.signal.throwIfAborted();
  // The limit is inherited by what git starts, which is what writes the packs.
  const blocks = Math.ceil(run.maxFileBytes / BLOCK_BYTES);
  const child = spawn('/bin/sh', ['-c', 'ulimit -f "$0" && exec git "$@"', String(blocks), ...args], {
    cwd: run.cwd,
    env: run.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) lowerPriority(child.pid);
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, run.timeoutMs);
  run.signal.addEventListener('abort', kill, { once: true });
  const chunks: Buffer[] = [];
  let length = 0;
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > run.maxOutputBytes) kill();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < MAX_STDERR_CHARS) stderr += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(run.stdin ?? '');
  try {
    const { promise, resolve, reject } = Promise.withResolvers<{
      code: number | null;
      signal: NodeJS.Signals | null;
    }>();
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
    const { code, signal } = await promise;
    run.signal.throwIfAborted();
    if (length > run.maxOutputBytes) return { ok: true, output: Buffer.concat(chunks), isCut: true };
    if (code === 0) return { ok: true, output: Buffer.concat(chunks), isCut: false };
    const tooLarge = signal === 'SIGXFSZ' || /File too large|signal 25|file size limit/i.test(stderr);
    return { ok: false, why: isLate ? 'timeout' : tooLarge ? 'too_large' : 'exit', stderr };
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', kill);
    kill();
  }
}

/** Also for all that it starts from then on. */
function lowerPriority(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // It has ended, or this process is nicer already.
  }
}
