import { spawn } from 'node:child_process';
import { tameLine } from '../../../io/tame-line.ts';
import type { Credentials } from './docker-config.ts';

/** Some ask a person to unlock a store. */
const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 256 * 1024;
const MAX_MESSAGE_CHARS = 200;

/** A helper that can't be asked, or that fails. The message doesn't contain what it has printed as credentials. */
export class HelperFailed extends Error {
  override readonly name = 'HelperFailed';
}

export interface HelperOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/**
 * Asks a credential helper of Docker (`docker-credential-<suffix> get`) for the login to a server. Protocol: docker/docker-credential-helpers.
 * @returns undefined if it has none @throws HelperFailed
 */
export async function askHelper(
  suffix: string,
  server: string,
  { env, timeoutMs = TIMEOUT_MS }: HelperOptions,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${suffix}`;
  if (!/^[\w.-]+$/.test(suffix)) throw new HelperFailed(`got ${JSON.stringify(suffix)}, expected the name of a helper`);
  const { code, out, err } = await run(program, server, { env, timeoutMs });
  if (code === 0) return credentialsIn(program, out);
  // Helpers print their errors on standard output.
  const message = out.trim() || err.trim();
  if (/^credentials not found in native keychain$/m.test(message)) return undefined;
  const shown = tameLine(message.split('\n', 1)[0] ?? '', false).slice(0, MAX_MESSAGE_CHARS);
  throw new HelperFailed(`${program} failed: ${shown === '' ? `exit code ${code}` : shown}`);
}

interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(program: string, input: string, { env, timeoutMs }: Required<HelperOptions>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], {
      env: { ...env },
      stdio: 'pipe',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'ENOENT' ? 'is not installed, or not in PATH' : `can’t be run: ${error.code ?? error.message}`;
      reject(new HelperFailed(`${program} ${why}`));
    });
    child.on('close', (code, signal) => {
      if (signal === null) resolve({ code, out: out(), err: err() });
      else reject(new HelperFailed(`${program} did not answer within ${timeoutMs / 1000} s`));
    });
    // One that doesn't read its input has ended already.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Returns what a stream has printed, up to the limit. */
function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    if (bytes < MAX_ANSWER_BYTES) chunks.push(chunk);
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString();
}

function credentialsIn(program: string, out: string): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(out);
  } catch {
    throw new HelperFailed(`${program} printed something other than JSON`);
  }
  const { Username: username, Secret: secret } = (answer ?? {}) as { Username?: unknown; Secret?: unknown };
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new HelperFailed(`${program} printed no Username and Secret`);
  if (secret === '') return undefined;
  return username === '<token>' ? { identityToken: secret } : { username, password: secret };
}
