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
  /** Niceness: others, who are to be answered at once, go first. Default 0. */
  readonly niceness?: number;
  readonly signal: AbortSignal;
  readonly stdin?: string;
}

/** `output` is cut off at `maxOutputBytes`; git is ended then. */
export type GitEnd =
  | { readonly ok: true; readonly output: Buffer; readonly isCut: boolean }
  | { readonly ok: false; readonly why: 'exit' | 'timeout' | 'too_large'; readonly stderr: string };

const MAX_STDERR_CHARS = 16 * 1024;
const BLOCK_BYTES = 512;
/** Of addresses, for each process: a server that never stops sending refs costs no more, KiB. */
const MAX_MEMORY_KIB = 2 * 1024 * 1024;
/** Not every system limits the memory; the size of files all do. Both limits are inherited by what git starts, which writes the packs. */
const LIMITED = `ulimit -v ${MAX_MEMORY_KIB} 2>/dev/null; ulimit -f "$0" && exec git "$@"`;

/**
 * Runs git in a process group of its own, so that with it ends what it has started: its helpers hold the connections.
 * @throws the signal's reason
 */
export async function runGit(args: readonly string[], run: GitRun): Promise<GitEnd> {
  run.signal.throwIfAborted();
  const blocks = Math.ceil(run.maxFileBytes / BLOCK_BYTES);
  const child = spawn('/bin/sh', ['-c', LIMITED, String(blocks), ...args], {
    cwd: run.cwd,
    env: run.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined && run.niceness) lowerPriority(child.pid, run.niceness);
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
    // What comes after that, before git has ended, isn't kept.
    if (length <= run.maxOutputBytes) chunks.push(chunk);
    length += chunk.length;
    if (length > run.maxOutputBytes) kill();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString().slice(0, MAX_STDERR_CHARS - stderr.length);
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
    return { ok: false, why: isLate ? 'timeout' : signal === 'SIGXFSZ' ? 'too_large' : 'exit', stderr };
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', kill);
    kill();
  }
}

/** Also for all that it starts from then on. */
function lowerPriority(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It has ended, or this process is nicer already.
  }
}
