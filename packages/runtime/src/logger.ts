import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  readonly app: string;
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default: standard error, so that standard output is free for the output of commands. */
  readonly destination?: DestinationStream;
}

/** Fields whose values must not get into a log. */
const REDACTED = [
  'token',
  'authorization',
  'secrets',
  '*.token',
  '*.authorization',
  '*.secrets',
  '*.registryLogins',
  'req.headers.authorization',
];

/** Creates a process's logger. Scope it once with `child({ hostId })`; messages are constant events, data go into fields. */
export function createLogger({ app, level, destination }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { app },
      redact: { paths: REDACTED, censor: 'not shown' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination(2),
  );
}
