import { type BuildFilter, buildPage } from '@kiln/contracts';
import { keepPreviousData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { call } from '../api/call.ts';
import { type BuildPages, withUpdates } from './build-pages.ts';
import { useFeed } from './use-feed.ts';

const PAGE = 100;

/** The list of builds that match a filter, newest first, kept up to date while it is shown. */
export function useBuilds(filter: BuildFilter) {
  const client = useQueryClient();
  const queryKey = ['builds', filter];
  useFeed({
    onBuilds: (builds) =>
      client.setQueryData<BuildPages>(queryKey, (pages) => pages && withUpdates(pages, builds, filter)),
    onReset: () => void client.invalidateQueries({ queryKey }),
  });
  return useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      call('v1/builds', buildPage, { query: { ...filter, limit: PAGE, cursor: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
}
