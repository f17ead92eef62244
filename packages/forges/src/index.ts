export { type ConfigProblem, InvalidConfig, parseConfig } from './config/parse-config.ts';
export { cloneCredentials, gitSecret } from './connection/clone-secret.ts';
export { type Connection, settingsFor } from './connection/connection.ts';
export { type CloneCredentials, ConnectionTokens, reportsStatuses } from './connection/connection-tokens.ts';
export { foreignSource } from './connection/foreign-source.ts';
export { type Explanation, explain, type ImageVerdict } from './explain/explain.ts';
export { mayPushUntrusted } from './explain/filters.ts';
export { CONTEXT_PREFIX, type Occasion, occasionOf } from './explain/occasion.ts';
export { cacheByDefault } from './explain/plan-build.ts';
export type { Forge } from './forge.ts';
export { forge, guessForge } from './forges.ts';
export {
  type GithubApp,
  type InstallationToken,
  installationToken,
  isAppKey,
  NoInstallationToken,
  type TokenPurpose,
} from './github/app-token.ts';
export { failureReason } from './status/failure-reason.ts';
export type { ForgeConnection, ReportedState, StatusReport } from './status/report.ts';
export { retryAfterMs } from './status/retry-after.ts';
export { type Delivery, reportStatus, type StatusTransport } from './status/send.ts';
export { isStandardSecret, type Verification } from './webhook/authentic.ts';
export type { Headers } from './webhook/headers.ts';
export { BadPayload } from './webhook/payload.ts';
