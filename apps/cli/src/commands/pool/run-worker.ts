import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createLogger, onStopSignal, Shutdown } from '@kiln/runtime';
import { type RunningHost, runHost } from '@kiln/worker';
import { pino } from 'pino';
import type { FlagValues } from '../../framework/flags.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { fieldLines } from '../../io/table.ts';
import { buildersText } from '../host/builders-text.ts';
import type { WORKER_FLAGS } from './flags.ts';
import { readWorkerOptions, type WorkerOptions } from './worker-options.ts';

/** Runs a worker until it is asked to stop, drained or removed. Returns the exit code. @throws UsageError */
export async function runWorker(flags: FlagValues<typeof WORKER_FLAGS>, io: Io): Promise<number> {
  const options = readWorkerOptions(flags, io.env);
  const say = (text: string) => io.err.line(text);
  try {
    await serve(options, say);
    return EXIT.ok;
  } catch (error) {
    say(`kiln worker: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.notDone;
  }
}

async function serve(options: WorkerOptions, say: (text: string) => void): Promise<void> {
  using stop = onStopSignal();
  const { settings, logFile } = options;
  if (logFile !== '-') await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = createLogger({
    app: 'worker',
    level: settings.KILN_LOG_LEVEL,
    ...(logFile !== '-' && { destination: pino.destination({ dest: logFile, mode: 0o600, sync: false }) }),
  });
  process.on('uncaughtExceptionMonitor', (error) => log.fatal({ err: error }, 'uncaught exception'));
  const shutdown = new Shutdown();
  try {
    say(`kiln worker: joining${settings.access.type === 'join' ? ` ${settings.access.url}` : ''}`);
    const host = await runHost(settings, log, shutdown);
    say(greeting(host, options));
    const why = await Promise.race([stop.received, host.worker.left, host.worker.failed]);
    log.info({ why }, 'leaving');
    say(`\nkiln worker: ${farewell(why, settings.KILN_HOST_NAME)}`);
  } finally {
    await shutdown.run((step, error) => log.error({ err: error, step }, 'shutdown step failed'));
  }
  say('kiln worker: stopped');
}

function farewell(why: NodeJS.Signals | 'drained' | 'removed', name: string): string {
  if (why === 'drained') return `${name} is drained; leaving`;
  if (why === 'removed') return `${name} was removed from the pool; leaving`;
  return `${why}; finishing running builds (repeat to stop immediately)`;
}

function greeting({ builders }: RunningHost, { settings, logFile }: WorkerOptions): string {
  const labels = Object.entries(settings.KILN_LABELS).map(([label, value]) => `${label}=${value}`);
  const { KILN_HOST_NAME: name, KILN_SLOTS: slots } = settings;
  const rows: [string, string][] = [
    ['host', `${name}: ${slots} ${slots === 1 ? 'slot' : 'slots'}, ${buildersText(builders)}`],
    ...(labels.length > 0 ? [['labels', labels.join(' ')] satisfies [string, string]] : []),
    ['data', settings.KILN_DATA_DIR],
    ['log', logFile === '-' ? 'standard error' : logFile],
  ];
  return `kiln worker: joined\n${fieldLines(rows, '  ')}Ctrl-C finishes running builds and leaves.`;
}
