export { delivery, SECRET, sign } from './fixtures.ts';
export { breaks, hangs, StatusApi, says } from './status-api.ts';
