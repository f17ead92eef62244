import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { readBuildSearch } from '../build/parts.ts';
import { BuildsPage } from '../builds/builds-page.tsx';
import { readFilter } from '../builds/filter.ts';
import { BASE } from './base.ts';
import { NotFound } from './not-found.tsx';
import { Shell } from './shell.tsx';

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const builds = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: readFilter,
  component: BuildsPage,
});

const build = createRoute({
  getParentRoute: () => root,
  path: '/builds/$id',
  validateSearch: readBuildSearch,
  component: lazyRouteComponent(() => import('../build/build-page.tsx'), 'BuildPage'),
});

const pool = createRoute({
  getParentRoute: () => root,
  path: '/pool',
  component: lazyRouteComponent(() => import('../pool/pool-page.tsx'), 'PoolPage'),
});

const host = createRoute({
  getParentRoute: () => root,
  path: '/pool/$host',
  component: lazyRouteComponent(() => import('../pool/host-page.tsx'), 'HostPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([builds, build, pool, host]),
  basepath: BASE,
  defaultPreload: 'intent',
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
