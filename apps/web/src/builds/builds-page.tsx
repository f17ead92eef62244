import type { BuildFilter } from '@kiln/contracts';
import { getRouteApi } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo } from 'react';
import { Failure } from '../ui/failure.tsx';
import { Message } from '../ui/message.tsx';
import { BuildTable } from './build-table.tsx';
import { CancelAll } from './cancel-all.tsx';
import { isFiltered } from './filter.ts';
import { FilterBar } from './filter-bar.tsx';
import { useBuilds } from './use-builds.ts';

const route = getRouteApi('/');

/** All builds that the user may see, newest first. */
export function BuildsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const key = JSON.stringify(search);
  const filter = useMemo(() => JSON.parse(key) as BuildFilter, [key]);
  const { data, error, refetch, fetchNextPage, hasNextPage, isFetching, isPending } = useBuilds(filter);
  const builds = useMemo(() => data?.pages.flatMap((page) => page.builds) ?? [], [data]);
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  // A page of a search may have none, although there are more.
  const isSearching = data !== undefined && builds.length === 0 && hasNextPage;
  useEffect(() => {
    if (isSearching) onEnd();
  }, [isSearching, onEnd]);
  const isEmpty = data !== undefined && builds.length === 0 && !hasNextPage;
  return (
    <main className="page wide">
      <title>Builds · Kiln</title>
      <h1 className="hidden">Builds</h1>
      <FilterBar filter={filter} builds={builds} onChange={(next) => void navigate({ search: next, replace: true })} />
      {error && <Failure error={error} retry={() => void refetch()} />}
      {isPending && !error && <p className="hint">Loading the builds …</p>}
      {isEmpty &&
        (isFiltered(filter) ? (
          <Message title="No build matches.">
            <button type="button" className="button" onClick={() => void navigate({ search: {}, replace: true })}>
              Show all builds
            </button>
          </Message>
        ) : (
          <Message title="There are no builds yet.">
            <p>
              Build a directory with a Dockerfile: <code>kiln build .</code>
            </p>
          </Message>
        ))}
      {data && !isEmpty && <BuildTable builds={builds} onEnd={onEnd} isBusy={isFetching} />}
      {data && !isEmpty && (
        <div className="list-foot">
          <p className="count" role="status">
            {builds.length === 1 ? '1 build' : `${builds.length} builds`}
            {hasNextPage && (isFetching ? ', looking further …' : ', more below')}
          </p>
          {isFiltered(filter) && <CancelAll builds={builds} />}
        </div>
      )}
    </main>
  );
}
