import { InvalidEnvironment } from './env.ts';
import { createLogger, type Logger } from './logger.ts';
import { onStopSignal, Shutdown } from './shutdown.ts';

export interface AppContext {
  readonly log: Logger;
  readonly shutdown: Shutdown;
}

/**
 * The frame of an app's `main.ts`: starts it, waits for SIGINT or SIGTERM, for `done` (the app has nothing left to do, and says
 * why) or for `failed`, releases everything, and ends the process with 0, or with 1 and the reason. A wrong environment is told in
 * plain words. A signal is heard while the app still starts, too: a Redis that is away can hold that up for ever.
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
  // What is still starting, or could not be released, would hold the process.
  if (!started || !released) process.exit();
}

/** Runs `read`, which takes the settings from the environment; a wrong one ends the process with 2 and its words. */
export function settingsOrExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof InvalidEnvironment)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
