export { commonEnv, formatSecretKeys, parseSecretKeys, secretKeys, valueOrFile } from './common-env.ts';
export { InvalidEnvironment, readEnv, wholeNumber } from './env.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export { Pulse } from './pulse.ts';
export { type AppContext, runApp, settingsOrExit } from './run-app.ts';
export { type HealthServer, serveHealth } from './serve-health.ts';
export { onStopSignal, Shutdown, type StopSignal } from './shutdown.ts';
