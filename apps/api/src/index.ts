export { API_DEFAULTS, type ApiConfig } from './config.ts';
export type { ApiDeps, Blobs, Builds, Events, Hosts, LogStreams, Tail } from './ports.ts';
export { API_VERSION, type RunningApi, startApi } from './start-api.ts';
