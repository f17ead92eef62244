export { accessConfig, accessEnv } from './access/settings.ts';
export { API_DEFAULTS, type ApiConfig, type JoinConfig } from './config.ts';
export { apiEnv } from './env.ts';
export type { ApiDeps } from './ports.ts';
export { type RunningApi, startApi } from './start-api.ts';
export { storageConfig, storageEnv } from './storage-settings.ts';
