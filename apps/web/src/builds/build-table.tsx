import type { BuildView } from '@kiln/contracts';
import { useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore } from 'react';
import { columns, features } from './columns.tsx';

const NARROW = window.matchMedia('(max-width: 50rem)');
const ROW_PX = 58;
const NARROW_ROW_PX = 112;

function useIsNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      NARROW.addEventListener('change', listener);
      return () => NARROW.removeEventListener('change', listener);
    },
    () => NARROW.matches,
  );
}

/** The builds as a table of which only the rows in view are there. `onEnd` is called when the last row comes into view. */
export function BuildTable({
  builds,
  onEnd,
  isBusy,
}: {
  readonly builds: readonly BuildView[];
  readonly onEnd: () => void;
  readonly isBusy: boolean;
}) {
  const view = useRef<HTMLDivElement>(null);
  const rowPx = useIsNarrow() ? NARROW_ROW_PX : ROW_PX;
  const table = useTable({ features, columns, data: builds as BuildView[], getRowId: ({ id }: BuildView) => id });
  const { rows } = table.getRowModel();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => view.current,
    estimateSize: () => rowPx,
    getItemKey: (i) => rows[i]?.id ?? i,
    overscan: 8,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes change with the width
  useEffect(() => virtual.measure(), [rowPx]);
  useStillView(view, builds, rowPx);
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (lastShown >= rows.length - 1 && rows.length > 0) onEnd();
  }, [lastShown, rows.length, onEnd]);
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a table element could not be placed where they are scrolled to
    <div
      className="builds"
      ref={view}
      role="table"
      aria-label="Builds"
      aria-rowcount={rows.length + 1}
      aria-busy={isBusy}
    >
      {table.getHeaderGroups().map((group) => (
        // biome-ignore lint/a11y/useSemanticElements: as the table
        // biome-ignore lint/a11y/useFocusableInteractive: a row isn't interactive
        <div className="build-row head" role="row" key={group.id} aria-rowindex={1}>
          {group.headers.map((header) => (
            // biome-ignore lint/a11y/useSemanticElements: as the table
            // biome-ignore lint/a11y/useFocusableInteractive: as the row
            <div role="columnheader" key={header.id} className={`cell col-${header.column.id}`}>
              <table.FlexRender header={header} />
            </div>
          ))}
        </div>
      ))}
      <div role="presentation" className="rows" style={{ height: virtual.getTotalSize() }}>
        {items.map(({ index, start, size, key }) => {
          const row = rows[index];
          return (
            row && (
              // biome-ignore lint/a11y/useSemanticElements: as the table
              // biome-ignore lint/a11y/useFocusableInteractive: as above
              <div
                role="row"
                key={key}
                className={`build-row is-${row.original.state}`}
                aria-rowindex={index + 2}
                style={{ height: size, transform: `translateY(${start}px)` }}
              >
                {row.getAllCells().map((cell) => (
                  // biome-ignore lint/a11y/useSemanticElements: as the table
                  <div role="cell" key={cell.id} className={`cell col-${cell.column.id}`}>
                    <table.FlexRender cell={cell} />
                  </div>
                ))}
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}

/** Keeps the rows in view where they are when others are added above them, unless the view is at the top. */
function useStillView(
  view: { readonly current: HTMLDivElement | null },
  builds: readonly BuildView[],
  rowPx: number,
): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const before = first.current;
    first.current = builds[0]?.id;
    const element = view.current;
    if (!element || before === undefined || element.scrollTop < rowPx) return;
    const added = builds.findIndex(({ id }) => id === before);
    if (added > 0) element.scrollTop += added * rowPx;
  }, [builds, rowPx, view]);
}
