export { delivery, SECRET, sign } from './fixtures.ts';
export { GitServer } from './git-server.ts';
export { breaks, hangs, StatusApi, says } from './status-api.ts';
