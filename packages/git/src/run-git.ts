import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';

/** How to run git, and its limits. */
export interface GitRun {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Largest file that git may write. A fetch is written as one file. */
  readonly maxFileBytes: number;
  /** Most that is read of git's stdout. */
  readonly maxOutputBytes: number;
  /** Lowers git's priority. Default 0. */
  readonly niceness?: number;
  readonly signal: AbortSignal;
  readonly stdin?: string | Buffer;
}

/** `isCut`: git was killed because it printed more than `maxOutputBytes`. */
export type GitEnd =
  | { readonly ok: true; readonly output: Buffer; readonly isCut: boolean }
  | { readonly ok: false; readonly why: 'exit' | 'timeout' | 'too_large'; readonly stderr: string };

const MAX_STDERR_CHARS = 16 * 1024;
const BLOCK_BYTES = 512;
/** Limit of each process's address space in KiB, in case a server never stops sending refs. */
const MAX_MEMORY_KIB = 2 * 1024 * 1024;
/** Not every system can limit memory; all can limit the size of files. Git's child processes, which write the packs, inherit both limits. */
const LIMITED = `ulimit -v ${MAX_MEMORY_KIB} 2>/dev/null; ulimit -f "$0" && exec git "$@"`;

/** A running git. */
export interface GitProcess {
  readonly stdin: Writable;
  /** Git waits while this isn't read. */
  readonly stdout: Readable;
  /** How it ended, after all of stdout has been read. Throws the signal's reason. */
  readonly ended: Promise<{ readonly ok: true } | Extract<GitEnd, { ok: false }>>;
  /** Kills git and its helpers. */
  kill(): void;
}

/**
 * Starts git in a process group of its own, so that its helpers, which have the connections, end with it. Read its stdout to the end, or `kill` it.
 * @throws the signal's reason
 */
export function startGit(args: readonly string[], run: Omit<GitRun, 'maxOutputBytes' | 'stdin'>): GitProcess {
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
      // It has already ended.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, run.timeoutMs);
  run.signal.addEventListener('abort', kill, { once: true });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString().slice(0, MAX_STDERR_CHARS - stderr.length);
  });
  child.stdin.on('error', () => {});
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
  child.on('error', reject);
  child.on('close', (code, signal) => resolve({ code, signal }));
  const ended = promise
    .then(({ code, signal }) => {
      run.signal.throwIfAborted();
      if (code === 0) return { ok: true } as const;
      return { ok: false, why: isLate ? 'timeout' : signal === 'SIGXFSZ' ? 'too_large' : 'exit', stderr } as const;
    })
    .finally(() => {
      clearTimeout(timer);
      run.signal.removeEventListener('abort', kill);
      kill();
    });
  // A caller that kills it needn't wait for its end.
  ended.catch(() => {});
  return { stdin: child.stdin, stdout: child.stdout, ended, kill };
}

/** Runs git and collects its output. @throws the signal's reason */
export async function runGit(args: readonly string[], run: GitRun): Promise<GitEnd> {
  const git = startGit(args, run);
  const chunks: Buffer[] = [];
  let length = 0;
  git.stdout.on('data', (chunk: Buffer) => {
    // Output that arrives after the limit, until git is dead, is discarded.
    if (length <= run.maxOutputBytes) chunks.push(chunk);
    length += chunk.length;
    if (length > run.maxOutputBytes) git.kill();
  });
  git.stdin.end(run.stdin ?? '');
  const end = await git.ended;
  if (length > run.maxOutputBytes) return { ok: true, output: Buffer.concat(chunks), isCut: true };
  return end.ok ? { ok: true, output: Buffer.concat(chunks), isCut: false } : end;
}

/** Lowers the priority of a process and of those that it starts from then on. */
function lowerPriority(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It has ended, or this process's priority is already lower.
  }
}
