import type { ReactNode } from 'react';
import { AuditPage } from './pages/audit-page.tsx';
import { FlagPage } from './pages/flag-page.tsx';
import { FlagsPage } from './pages/flags-page.tsx';
import { NewFlagPage } from './pages/new-flag-page.tsx';
import { PlaygroundPage } from './pages/playground-page.tsx';
import { SegmentsPage } from './pages/segments-page.tsx';
import { hrefOf, type Route, useRoute } from './route.ts';

const navigation: [Route, string][] = [
  [{ page: 'flags' }, 'Flags'],
  [{ page: 'segments' }, 'Segments'],
  [{ page: 'playground' }, 'Playground'],
  [{ page: 'audit' }, 'Changes'],
];

export function App(): ReactNode {
  const route = useRoute();
  return (
    <>
      <header>
        <h1>Flagpost</h1>
        <nav>
          {navigation.map(([target, label]) => (
            <a key={label} href={hrefOf(target)} aria-current={target.page === route.page ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
      </header>
      <main>{pageOf(route)}</main>
    </>
  );
}

function pageOf(route: Route): ReactNode {
  switch (route.page) {
    case 'flags':
      return <FlagsPage />;
    case 'flag':
      return <FlagPage key={route.key} flagKey={route.key} />;
    case 'new-flag':
      return <NewFlagPage />;
    case 'segments':
      return <SegmentsPage />;
    case 'playground':
      return <PlaygroundPage />;
    case 'audit':
      return <AuditPage />;
  }
}
