import { statfs } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { CheckView } from '@kiln/contracts';
import { checkClock, checkDisk, checkExpiry } from '@kiln/domain';
import { InvalidEnvironment, readEnv } from '@kiln/runtime';
import { reachRedis } from '@kiln/state';
import { builderEnv, networkEnv, networkReport } from '@kiln/worker';
import { z } from 'zod';
import { dataDirectory } from '../../server/local-pools.ts';
import { probe, reasonOf } from './probe.ts';

type Env = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS = 5_000;
const SOCKET = '/var/run/docker.sock';
const SERVER_ERROR = 500;
const DATE_MS = 500;
const OK = 200;

/** Checks this machine as a host, by the settings of a worker. */
export async function checkThisMachine(env: Env, registries: readonly string[]): Promise<CheckView[]> {
  const settings = settingsOf(env);
  if ('area' in settings) return [settings];
  const report = networkReport(settings);
  const mirrors = Object.values(report?.mirrors ?? {}).flat();
  const wanted = registries.length > 0 ? registries : mirrors.length > 0 ? mirrors : ['docker.io'];
  const plainHttp = new Set(report?.plainHttp ?? []);
  const checks = await Promise.all([
    checkEngine(settings),
    checkDataDisk(env),
    ...wanted.map((host) => checkRegistry(host, plainHttp.has(host))),
    checkPoolOf(env),
    ...['KILN_HEALTH_PORT'].map((name) => checkPort(name, env[name])),
  ]);
  const authorities = (report?.authorities ?? []).map(({ subject, expiresAt }) =>
    checkExpiry(subject, Date.parse(expiresAt), Date.now()),
  );
  return [...checks.flat(), ...authorities];
}

function settingsOf(env: Env) {
  try {
    return readEnv(z.object({ ...builderEnv, ...networkEnv }), env);
  } catch (error) {
    if (!(error instanceof InvalidEnvironment)) throw error;
    const advice = 'correct the settings (docs/operate/settings.md)';
    return { area: 'host', subject: 'settings', status: 'problem', found: error.message, advice } satisfies CheckView;
  }
}

/** Calls the engine over its socket. @throws Error */
async function engine<T>(socketPath: string, path: string): Promise<{ status: number; body: T }> {
  return await new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) as T });
        } catch (error) {
          reject(error);
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    call.on('error', reject);
    call.end();
  });
}

async function checkEngine(settings: {
  KILN_DOCKER_SOCKET?: string | undefined;
  KILN_TOOL_IMAGE: string;
  KILN_BUILDKIT_IMAGE: string;
}): Promise<CheckView[]> {
  const socket = settings.KILN_DOCKER_SOCKET ?? SOCKET;
  try {
    const { body } = await engine<{ Version?: string; Arch?: string }>(socket, '/version');
    const images = [
      ['KILN_TOOL_IMAGE', settings.KILN_TOOL_IMAGE],
      ['KILN_BUILDKIT_IMAGE', settings.KILN_BUILDKIT_IMAGE],
    ] as const;
    return [
      { area: 'engine', subject: socket, status: 'ok', found: `Docker Engine ${body.Version}, ${body.Arch}` },
      ...(await Promise.all(images.map(([name, image]) => checkImage(socket, name, image)))),
    ];
  } catch (error) {
    const advice =
      'install Docker Engine, start it, and let this user use its socket (group docker); KILN_DOCKER_SOCKET names another one';
    return [
      { area: 'engine', subject: socket, status: 'problem', found: `does not answer: ${reasonOf(error)}`, advice },
    ];
  }
}

async function checkImage(socket: string, name: string, image: string): Promise<CheckView> {
  const { status } = await engine<unknown>(socket, `/images/${encodeURIComponent(image)}/json`);
  return status === OK
    ? { area: 'engine', subject: name, status: 'ok', found: `${image} is there` }
    : {
        ...{ area: 'engine', subject: name, status: 'warning', found: `${image} is not there yet` },
        advice: `the worker pulls it when it starts; where no registry is in reach: docker load, or set ${name}`,
      };
}

async function checkDataDisk(env: Env): Promise<CheckView[]> {
  // The directory may not be there yet; then the nearest one above it counts.
  for (let dir = dataDirectory(env); ; dir = dirname(dir)) {
    try {
      const { blocks, bavail, bsize } = await statfs(dir);
      return [checkDisk(dir, bavail * bsize, blocks * bsize)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(dir) !== dir) continue;
      const advice = 'let this user read it, or set KILN_DATA_DIR';
      return [{ area: 'disk', subject: dir, status: 'problem', found: reasonOf(error), advice }];
    }
  }
}

async function checkRegistry(host: string, plainHttp: boolean): Promise<CheckView[]> {
  const address = host === 'docker.io' ? 'registry-1.docker.io' : host;
  try {
    const answer = await probe(`${plainHttp ? 'http' : 'https'}://${address}/v2/`);
    const found = `answers with ${answer.status} in ${Math.round(answer.roundTripMs)} ms`;
    return [
      answer.status < SERVER_ERROR
        ? { area: 'registry', subject: host, status: 'ok', found }
        : { area: 'registry', subject: host, status: 'warning', found, advice: 'ask who operates it' },
      ...(answer.certificateEnds === undefined ? [] : [checkExpiry(host, answer.certificateEnds, answer.askedAt)]),
    ];
  } catch (error) {
    const advice =
      'check name, firewall and certificate; KILN_REGISTRY_MIRRORS and KILN_REGISTRY_CAS (docs/operate/network.md)';
    return [
      { area: 'registry', subject: host, status: 'problem', found: `can’t be reached: ${reasonOf(error)}`, advice },
    ];
  }
}

/** Checks that the pool that a worker is to join can be reached. */
async function checkPoolOf(env: Env): Promise<CheckView[]> {
  const { KILN_JOIN_URL: joinUrl, KILN_REDIS_URL: redisUrl } = env;
  return [...(joinUrl ? await checkJoin(joinUrl) : []), ...(redisUrl ? [await checkReachableRedis(redisUrl)] : [])];
}

async function checkJoin(url: string): Promise<CheckView[]> {
  try {
    const { status, date, askedAt, roundTripMs, certificateEnds } = await probe(`${url.replace(/\/$/, '')}/readyz`);
    const found = `answers with ${status}`;
    const advice = 'it has to be the address of a Kiln API that is ready';
    return [
      status === OK
        ? { area: 'server', subject: url, status: 'ok', found: 'ready' }
        : { area: 'server', subject: url, status: 'problem', found, advice },
      ...(date === undefined
        ? []
        : [checkClock('this machine', askedAt - (date + DATE_MS), DATE_MS + roundTripMs / 2, 'the server')]),
      ...(certificateEnds === undefined ? [] : [checkExpiry(url, certificateEnds, askedAt)]),
    ];
  } catch (error) {
    const advice = 'check KILN_JOIN_URL, the firewall and the certificate';
    return [{ area: 'server', subject: url, status: 'problem', found: `can’t be reached: ${reasonOf(error)}`, advice }];
  }
}

async function checkReachableRedis(url: string): Promise<CheckView> {
  try {
    await reachRedis(url, TIMEOUT_MS);
    return { area: 'redis', subject: 'KILN_REDIS_URL', status: 'ok', found: 'answers' };
  } catch (error) {
    const advice = 'check the address, the password and the firewall (docs/operate/redis.md)';
    return { area: 'redis', subject: 'KILN_REDIS_URL', status: 'problem', found: reasonOf(error), advice };
  }
}

/** Checks that a port of the loopback address is free, or that a worker has it already. */
async function checkPort(name: string, text: string | undefined): Promise<CheckView[]> {
  const port = Number(text ?? 0);
  if (!Number.isInteger(port) || port <= 0) return [];
  if (await isFree(port)) return [{ area: 'port', subject: name, status: 'ok', found: `${port} is free` }];
  const answer = await probe(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
  return [
    answer?.status === OK
      ? { area: 'port', subject: name, status: 'ok', found: `a worker or scheduler has ${port}` }
      : {
          ...{ area: 'port', subject: name, status: 'problem', found: `another program has ${port}` },
          advice: `set ${name} to another port`,
        },
  ];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
