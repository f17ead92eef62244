export { cpuMs } from './cpu-ms.ts';
export { freePort } from './free-port.ts';
export { seededBytes } from './seeded-bytes.ts';
