export { type ConfigProblem, InvalidConfig, parseConfig } from './config/parse-config.ts';
export { type Explanation, explain, type ImageVerdict } from './explain/explain.ts';
export type { Forge } from './forge.ts';
export { forge, guessForge } from './forges.ts';
export type { ForgeConnection, ReportedState, StatusReport } from './status/report.ts';
export { type Delivery, reportStatus, type StatusTransport } from './status/send.ts';
export type { Verification } from './webhook/authentic.ts';
export type { Headers } from './webhook/headers.ts';
export { BadPayload } from './webhook/payload.ts';
