import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { accessConfig, accessEnv } from '@kiln/api';
import { createLogger, onStopSignal, readEnv } from '@kiln/runtime';
import { checkTrust, idleSettings, trustEnv, trustSettings } from '@kiln/worker';
import { pino } from 'pino';
import { z } from 'zod';
import { buildersText } from '../host/builders-text.ts';
import { type PoolSettings, type RunningPool, startPool } from './start-pool.ts';
import { InvalidFlag, parseUpOptions, UP_HELP, type UpOptions } from './up-options.ts';

const environment = z
  .object({
    KILN_TOOL_IMAGE: z.string().default('docker:cli'),
    KILN_BUILDKIT_IMAGE: z.string().default('moby/buildkit:buildx-stable-1'),
    KILN_DOCKER_SOCKET: z.string().optional(),
    KILN_DOCKER_CONFIG: z.string().optional(),
    ...trustEnv,
    ...accessEnv,
  })
  .superRefine((env, ctx) => {
    checkTrust(env, (name, message) => ctx.addIssue({ code: 'custom', path: [name], message, input: env[name] }));
  });

const EXIT_USAGE = 125;
const EXIT_FAILED = 1;

/** `kiln up`: runs a pool until it is asked to stop; answers the exit code. */
export async function runUp(argv: readonly string[]): Promise<number> {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  let options: UpOptions | 'help';
  let settings: PoolSettings;
  try {
    options = parseUpOptions(argv, process.env);
    settings = poolSettings();
  } catch (error) {
    say(`kiln up: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof InvalidFlag) say('See kiln up --help.');
    return EXIT_USAGE;
  }
  if (options === 'help') {
    process.stdout.write(`${UP_HELP}\n`);
    return 0;
  }
  try {
    return await serve(options, settings, say);
  } catch (error) {
    say(`kiln up: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT_FAILED;
  }
}

async function serve(options: UpOptions, settings: PoolSettings, say: (text: string) => void): Promise<number> {
  using stop = onStopSignal();
  const { logFile } = options;
  if (logFile !== '-') await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = createLogger({
    app: 'up',
    level: options.logLevel,
    ...(logFile !== '-' && { destination: pino.destination({ dest: logFile, mode: 0o600, sync: false }) }),
  });
  say('kiln up: starting');
  const pool = await startPool(options, settings, log);
  say(greeting(pool, options));
  void pool.worker.left.then(() => {
    say('kiln up: this host was removed from the pool; API and scheduler go on for the others');
  });
  try {
    const signal = await Promise.race([stop.received, pool.worker.failed]);
    log.info({ signal }, 'asked to stop');
    say(`\nkiln up: ${signal}; finishing what runs (again to stop at once)`);
  } finally {
    await pool.close();
  }
  say('kiln up: stopped');
  return 0;
}

function poolSettings(): PoolSettings {
  const env = readEnv(environment, process.env);
  const builder = {
    toolImage: env.KILN_TOOL_IMAGE,
    buildkitImage: env.KILN_BUILDKIT_IMAGE,
    ...(env.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: env.KILN_DOCKER_SOCKET }),
    ...trustSettings(env),
    ...(env.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: env.KILN_DOCKER_CONFIG }),
  };
  return { builder, idle: idleSettings(env), access: accessConfig(env) };
}

function greeting(pool: RunningPool, options: UpOptions): string {
  const { url, builders, tokenFile } = pool;
  const { name, slots, dataDir, logFile } = options;
  const rows = [
    ['API', `${url}  (how to use it: ${url}/docs)`],
    ['token', `in ${tokenFile}; the kiln command of this user finds it by itself`],
    ['host', `${name}: ${slots} at a time, ${buildersText(builders)}`],
    ...joinRows(pool, options),
    ['data', dataDir],
    ['log', logFile === '-' ? 'standard error' : logFile],
  ];
  const table = rows.map(([label = '', text = '']) => `  ${label.padEnd(6)} ${text}`).join('\n');
  return `kiln up: ready\n${table}\n\nTry: kiln build .\nCtrl-C finishes what runs and stops.`;
}

/** How workers of other machines join, or what is missing for that. */
function joinRows({ url, joinTokenFile }: RunningPool, { host, listenWorkers }: UpOptions): [string, string][] {
  if (!listenWorkers) {
    return [['join', `token in ${joinTokenFile}; for workers of other machines give --listen-workers`]];
  }
  const { address, port } = listenWorkers;
  const isLocal = /^(?:127\.|::1$|localhost$)/.test(host);
  // Nobody can call at 0.0.0.0: the machine's name is what others are the likeliest to know.
  const from = /^(?:0\.0\.0\.0|::)$/.test(host) ? `http://${hostname()}:${new URL(url).port}` : url;
  return [
    ['join', `token in ${joinTokenFile}; workers find Redis at ${address}:${port}`],
    [
      '',
      isLocal
        ? `but the API listens on ${host} only: give --host, too, for workers of other machines`
        : `on another machine: kiln worker --join ${from} --token-file FILE`,
    ],
  ];
}
