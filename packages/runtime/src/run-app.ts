import { InvalidEnvironment } from './env.ts';
import { createLogger, type Logger } from './logger.ts';
import { onStopSignal, Shutdown } from './shutdown.ts';

export interface AppContext {
  readonly log: Logger;
  readonly shutdown: Shutdown;
}

/**
 * Runs an app from its `main.ts`: starts it, waits for SIGINT or SIGTERM, for `done` (with the reason why the app has nothing left to do) or
 * for `failed`, releases everything, and exits with 0, or with 1 after a failure. Signals also work while the app is starting, because an
 * unreachable Redis can delay that forever.
 */
export async function runApp(
  app: string,
  level: Parameters<typeof createLogger>[0]['level'],
  start: (context: AppContext) => Promise<{ failed?: Promise<never>; done?: Promise<string> }>,
): Promise<void> {
  using stop = onStopSignal();
  const log = createLogger({ app, level });
  const shutdown = new Shutdown();
  let exitCode = 0;
  let started = false;
  try {
    const running = start({ log, shutdown }).then(({ failed, done }) => {
      started = true;
      const over = done?.then((why) => () => log.info({ why }, 'nothing left to do'));
      return Promise.race([...(over ? [over] : []), failed ?? new Promise<never>(() => {})]);
    });
    const asked = stop.received.then((signal) => () => log.info({ signal, started }, 'asked to stop'));
    const say = await Promise.race([asked, running]);
    say();
  } catch (error) {
    exitCode = 1;
    log.fatal({ err: error }, 'app failed');
  }
  let released = true;
  await shutdown.run((step, error) => {
    released = false;
    log.error({ err: error, step }, 'shutdown step failed');
  });
  process.exitCode = released ? exitCode : 1;
  // Something that is still starting, or couldn't be released, would keep the process alive.
  if (!started || !released) process.exit();
}

/** Runs `read`, which reads the settings. If one isn't valid, prints the message and exits with 2. */
export function settingsOrExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidEnvironment)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
