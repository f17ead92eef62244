import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UsageError } from '../../../io/errors.ts';
import type { Io } from '../../../io/output.ts';
import { tameLine } from '../../../io/tame-line.ts';

type Env = Io['env'];

const DEFAULT_HOST = 'unix:///var/run/docker.sock';
const MAX_ANSWER_BYTES = 64 * 1024;
const WITHOUT =
  '--load=host loads the image into the engine of the build’s host, type=docker,dest=FILE writes it to a file';

/** This machine's Docker Engine, of the Docker context `context` if given. */
export interface ClientEngine {
  readonly context?: string;
}

/** Makes sure that this machine's engine answers. @throws UsageError */
export async function checkEngine(engine: ClientEngine, env: Env): Promise<void> {
  try {
    const isThere = await docker(engine, ['version', '--format', '{{.Server.Version}}'], env);
    if (!isThere) await callEngine(engine, env, 'GET', '/_ping');
  } catch (error) {
    throw new UsageError(`--load needs a Docker Engine on this machine: ${(error as Error).message}\n${WITHOUT}`);
  }
}

/** Loads an image, a tar as `docker save` writes it, into this machine's engine. @throws UsageError @throws whatever `tar` throws */
export async function loadImage(engine: ClientEngine, env: Env, tar: AsyncIterable<Uint8Array>): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* tar;
    } catch (error) {
      failed = { error };
      throw error;
    }
  }
  try {
    const isThere = await docker(engine, ['load', '--quiet'], env, watched());
    if (!isThere) await callEngine(engine, env, 'POST', '/images/load?quiet=1', watched());
    if (failed) throw failed.error;
  } catch (error) {
    if (failed) throw failed.error;
    throw new UsageError(`the image could not be loaded into this machine’s engine: ${(error as Error).message}`);
  }
}

/** Runs the command `docker`, which knows contexts, TLS and SSH. Returns false if it isn't installed. @throws Error with what it printed */
async function docker(
  { context }: ClientEngine,
  args: readonly string[],
  env: Env,
  input: AsyncIterable<Uint8Array> = nothing(),
): Promise<boolean> {
  const child = spawn('docker', [...(context === undefined ? [] : ['--context', context]), ...args], {
    env: { ...env },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const isThere = await new Promise<boolean>((resolve, reject) => {
    child.once('spawn', () => resolve(true));
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve(false) : reject(new Error(`docker can’t be run: ${error.message}`)),
    );
  });
  if (!isThere) return false;
  const ended = once(child, 'close') as Promise<[code: number | null]>;
  async function* sending(): AsyncGenerator<Uint8Array> {
    try {
      yield* input;
    } catch (error) {
      // Before its input ends, which it would take for the end of the image.
      child.kill('SIGKILL');
      await ended;
      throw error;
    }
  }
  // A docker that has failed doesn't read the rest. What it says is the reason.
  const sent = pipeline(Readable.from(sending()), child.stdin).catch(() => void child.kill());
  const [[code], message] = await Promise.all([ended, text(child.stderr), sent]);
  if (code !== 0) throw new Error(message || `docker ${args[0]} ended with exit code ${code}`);
  return true;
}

/** Calls the engine's API. @throws Error with the engine's own words */
async function callEngine(
  { context }: ClientEngine,
  env: Env,
  method: 'GET' | 'POST',
  path: string,
  body: AsyncIterable<Uint8Array> = nothing(),
): Promise<void> {
  const address = addressOf(context ?? (env.DOCKER_CONTEXT || undefined), env);
  const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const call = request({ ...address, method, path, headers: { 'Content-Type': 'application/x-tar' } }, (response) => {
      text(response).then((said) => resolve({ status: response.statusCode ?? 0, text: said }), reject);
    });
    call.on('error', (error) => reject(new Error(`cannot connect to the Docker daemon: ${error.message}`)));
    pipeline(Readable.from(body), call).catch(reject);
  });
  const error = /"(?:error|message)":"((?:[^"\\]|\\.)*)"/.exec(answer.text)?.[1];
  if (answer.status >= 400 || error !== undefined) throw new Error(error ?? `HTTP ${answer.status}`);
}

/** @throws Error if only the command `docker` could reach the engine */
function addressOf(context: string | undefined, { DOCKER_HOST, DOCKER_TLS_VERIFY }: Env) {
  const host = DOCKER_HOST || DEFAULT_HOST;
  const needs = (what: string) => new Error(`${what} needs the command docker, which is not installed or not in PATH`);
  if (context !== undefined && context !== 'default' && !DOCKER_HOST) throw needs(`the Docker context ${context}`);
  if (host.startsWith('unix://')) return { socketPath: host.slice('unix://'.length) };
  if (!host.startsWith('tcp://') || DOCKER_TLS_VERIFY) throw needs(`DOCKER_HOST=${host}`);
  const { hostname, port } = new URL(host.replace('tcp:', 'http:'));
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port || 2375 };
}

/** Reads what a program or server says, as one line that is safe to print. */
async function text(stream: Readable): Promise<string> {
  let said = Buffer.alloc(0);
  for await (const chunk of stream) if (said.length < MAX_ANSWER_BYTES) said = Buffer.concat([said, chunk as Buffer]);
  return tameLine(said.toString().trim().replaceAll('\n', ' '), false);
}

function nothing(): AsyncIterable<Uint8Array> {
  return Readable.from([]);
}
