export { InvalidEnvironment, readEnv, wholeNumber } from './env.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export { onStopSignal, Shutdown, type StopSignal } from './shutdown.ts';
