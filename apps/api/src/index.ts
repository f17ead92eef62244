export { accessConfig, accessEnv } from './access/settings.ts';
export { API_DEFAULTS, type ApiConfig, type JoinConfig } from './config.ts';
export type { ApiDeps, Blobs, Builds, Events, HostOperations, Hosts, LogStreams, Tail } from './ports.ts';
export { API_VERSION, type RunningApi, startApi } from './start-api.ts';
