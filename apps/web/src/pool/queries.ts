import { buildPage, hostDetail, hostList } from '@kiln/contracts';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { call } from '../api/call.ts';

/** How often what has no events is read again, ms. */
const OFTEN_MS = 3_000;
const SELDOM_MS = 30_000;
/** Most waiting builds that are read. */
export const MAX_WAITING = 200;

/** The hosts of the pool. */
export const hostsQuery = queryOptions({
  queryKey: ['hosts'],
  queryFn: ({ signal }) => call('v1/hosts', hostList, { signal }),
  refetchInterval: OFTEN_MS,
});

/** A host with the contents of its caches, which operators may see. */
export const hostQuery = (name: string) =>
  queryOptions({
    queryKey: ['hosts', name],
    queryFn: ({ signal }) => call(`v1/hosts/${encodeURIComponent(name)}`, hostDetail, { signal }),
    refetchInterval: OFTEN_MS,
  });

/** The same for the map of all hosts, which changes slowly and is large. */
export const mappedHostQuery = (name: string) => ({ ...hostQuery(name), refetchInterval: SELDOM_MS });

/** Builds that wait for a host, the newest first. */
export const waitingQuery = queryOptions({
  queryKey: ['waiting'],
  queryFn: ({ signal }) => call('v1/builds', buildPage, { query: { state: 'queued', limit: MAX_WAITING }, signal }),
  refetchInterval: OFTEN_MS,
  placeholderData: keepPreviousData,
});
