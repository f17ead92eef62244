export { commonEnv, secretKey, valueOrFile } from './common-env.ts';
export { InvalidEnvironment, readEnv, wholeNumber } from './env.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export { type AppContext, runApp, settingsOrExit } from './run-app.ts';
export { onStopSignal, Shutdown, type StopSignal } from './shutdown.ts';
