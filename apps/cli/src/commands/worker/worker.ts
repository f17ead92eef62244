import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createLogger, onStopSignal, Shutdown } from '@kiln/runtime';
import { type RunningHost, runHost } from '@kiln/worker';
import { pino } from 'pino';
import { buildersText } from '../host/builders-text.ts';
import { EXIT } from '../../io/exit-codes.ts';
import type { Io } from '../../io/output.ts';
import { parseWorkerOptions, type WorkerOptions, workerHelp } from './worker-options.ts';

/** `kiln worker`: runs a worker until it is asked to stop, drained or removed; answers the exit code. @throws UsageError */
export async function runWorker(args: readonly string[], io: Io): Promise<number> {
  const options = parseWorkerOptions(args, io.env);
  if (options === 'help') {
    io.out.write(workerHelp(io.out.columns));
    return EXIT.ok;
  }
  const say = (text: string) => io.err.line(text);
  try {
    return await serve(options, say);
  } catch (error) {
    say(`kiln worker: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.notDone;
  }
}

async function serve(options: WorkerOptions, say: (text: string) => void): Promise<number> {
  using stop = onStopSignal();
  const { settings, logFile } = options;
  if (logFile !== '-') await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = createLogger({
    app: 'worker',
    level: settings.KILN_LOG_LEVEL,
    ...(logFile !== '-' && { destination: pino.destination({ dest: logFile, mode: 0o600, sync: false }) }),
  });
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
  return EXIT.ok;
}

function farewell(why: NodeJS.Signals | 'drained' | 'removed', name: string): string {
  if (why === 'drained') return `${name} is drained; leaving`;
  if (why === 'removed') return `${name} was removed from the pool; leaving`;
  return `${why}; finishing what runs (again to stop at once)`;
}

function greeting({ builders }: RunningHost, { settings, logFile }: WorkerOptions): string {
  const labels = Object.entries(settings.KILN_LABELS).map(([label, value]) => `${label}=${value}`);
  const rows = [
    ['host', `${settings.KILN_HOST_NAME}: ${settings.KILN_SLOTS} at a time, ${buildersText(builders)}`],
    ...(labels.length > 0 ? [['labels', labels.join(' ')]] : []),
    ['data', settings.KILN_DATA_DIR],
    ['log', logFile === '-' ? 'standard error' : logFile],
  ];
  const table = rows.map(([label = '', text = '']) => `  ${label.padEnd(6)} ${text}`).join('\n');
  return `kiln worker: joined\n${table}\nCtrl-C finishes what runs and leaves.`;
}
