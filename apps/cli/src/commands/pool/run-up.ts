import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { createLogger, onStopSignal } from '@kiln/runtime';
import { pino } from 'pino';
import type { FlagValues } from '../../framework/flags.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { fieldLines } from '../../io/table.ts';
import { noteLocalPool } from '../../server/local-pools.ts';
import { buildersText } from '../host/builders-text.ts';
import type { UP_FLAGS } from './flags.ts';
import { type PoolSettings, readPoolSettings } from './pool-settings.ts';
import { type RunningPool, startPool } from './start-pool.ts';
import { readUpOptions, type UpOptions } from './up-options.ts';

/** Runs a pool until it is asked to stop. Returns the exit code. @throws UsageError */
export async function runUp(flags: FlagValues<typeof UP_FLAGS>, io: Io): Promise<number> {
  const options = readUpOptions(flags, io.env);
  const settings = readPoolSettings(io.env);
  const say = (text: string) => io.err.line(text);
  try {
    await serve(options, settings, io.env, say);
    return EXIT.ok;
  } catch (error) {
    say(`kiln up: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.notDone;
  }
}

async function serve(
  options: UpOptions,
  settings: PoolSettings,
  env: Io['env'],
  say: (text: string) => void,
): Promise<void> {
  using stop = onStopSignal();
  const { logFile } = options;
  if (logFile !== '-') await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = createLogger({
    app: 'up',
    level: options.logLevel,
    ...(logFile !== '-' && { destination: pino.destination({ dest: logFile, mode: 0o600, sync: false }) }),
  });
  process.on('uncaughtExceptionMonitor', (error) => log.fatal({ err: error }, 'uncaught exception'));
  say('kiln up: starting');
  const pool = await startPool(options, settings, log);
  await using note = await noteLocalPool(env, options.dataDir).catch((error: unknown) => {
    log.warn({ err: error }, "the user's commands cannot be told of this pool");
    return undefined;
  });
  say(greeting(pool, options, note !== undefined));
  void pool.worker.left.then(() => {
    say('kiln up: this host was removed from the pool; API and scheduler keep running for other hosts');
  });
  try {
    const signal = await Promise.race([stop.received, pool.worker.failed]);
    log.info({ signal }, 'stop requested');
    say(`\nkiln up: ${signal}; finishing running builds (repeat to stop immediately)`);
  } finally {
    await pool.close();
  }
  say('kiln up: stopped');
}

/** `isFound`: whether the user's commands find the pool without being told where it is. */
function greeting(pool: RunningPool, options: UpOptions, isFound: boolean): string {
  const { url, pageUrl, builders, tokenFile } = pool;
  const { name, slots, dataDir, logFile } = options;
  const tokenText = isFound
    ? `in ${tokenFile}; the kiln command of this user finds it there`
    : `in ${tokenFile}; the kiln command finds it with KILN_DATA_DIR=${dataDir}`;
  const rows: [string, string][] = [
    ['page', `${pageUrl} (logs in once, within ten minutes)`],
    ['API', `${url} (documentation: ${url}/docs)`],
    ['token', tokenText],
    ['host', `${name}: ${slots} ${slots === 1 ? 'slot' : 'slots'}, ${buildersText(builders)}`],
    ...joinRows(pool, options),
    ['data', dataDir],
    ['log', logFile === '-' ? 'standard error' : logFile],
  ];
  return `kiln up: ready\n${fieldLines(rows, '  ')}\nTry: kiln build .\nCtrl-C finishes running builds and stops.`;
}

/** Describes how workers on other machines join, or what is missing for that. */
function joinRows({ url, joinTokenFile }: RunningPool, { host, listenWorkers }: UpOptions): [string, string][] {
  if (!listenWorkers) {
    return [['join', `token in ${joinTokenFile}; for workers on other machines, use --listen-workers`]];
  }
  const { address, port } = listenWorkers;
  const isLocal = /^(?:127\.|::1$|localhost$)/.test(host);
  // 0.0.0.0 is not an address to connect to; the machine's name is what other machines most likely know.
  const from = /^(?:0\.0\.0\.0|::)$/.test(host) ? `http://${hostname()}:${new URL(url).port}` : url;
  return [
    ['join', `token in ${joinTokenFile}; workers find Redis at ${address}:${port}`],
    [
      '',
      isLocal
        ? `the API listens only on ${host}: use --host as well, for workers on other machines`
        : `on another machine: kiln worker --join ${from} --token-file FILE`,
    ],
  ];
}
