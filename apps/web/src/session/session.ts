import { loginMethods, type WhoamiView, whoamiView } from '@kiln/contracts';
import { queryOptions } from '@tanstack/react-query';
import { call, send } from '../api/call.ts';
import { ApiError } from '../api/problem.ts';

/** Who this browser is logged in as; null if it isn't. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }): Promise<WhoamiView | null> => {
    try {
      return await call('v1/whoami', whoamiView, { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

export const loginMethodsQuery = queryOptions({
  queryKey: ['login-methods'],
  queryFn: ({ signal }) => call('auth/methods', loginMethods, { signal }),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Logs in with a token, or with a code that works once. @throws ApiError, Unreachable */
export function logIn(credential: { readonly token: string } | { readonly code: string }): Promise<WhoamiView> {
  return call('auth/session', whoamiView, { method: 'POST', body: credential });
}

export async function logOut(): Promise<void> {
  await send('auth/logout', { method: 'POST' });
}
