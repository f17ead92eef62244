import { useSyncExternalStore } from 'react';

export type Route =
  | { readonly page: 'flags' }
  | { readonly page: 'flag'; readonly key: string }
  | { readonly page: 'new-flag' }
  | { readonly page: 'segments' }
  | { readonly page: 'playground' }
  | { readonly page: 'audit' };

export function useRoute(): Route {
  const hash = useSyncExternalStore(onHashChange, () => window.location.hash);
  return parseHash(hash);
}

export function hrefOf(route: Route): string {
  return route.page === 'flag' ? `#/flags/${encodeURIComponent(route.key)}` : `#/${route.page}`;
}

export function goTo(route: Route): void {
  window.location.hash = hrefOf(route);
}

function parseHash(hash: string): Route {
  const [page, key] = hash.replace(/^#\//, '').split('/');
  switch (page) {
    case 'flags':
      return key === undefined ? { page } : { page: 'flag', key: decodeURIComponent(key) };
    case 'new-flag':
    case 'segments':
    case 'playground':
    case 'audit':
      return { page };
    default:
      return { page: 'flags' };
  }
}

function onHashChange(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}
