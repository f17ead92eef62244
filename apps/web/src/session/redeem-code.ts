import type { QueryClient } from '@tanstack/react-query';
import { logIn, sessionQuery } from './session.ts';

const CODE = /^#login=([\w-]{20,200})$/;

/**
 * Logs in with the code in the page's fragment (`#login=CODE`), which `kiln up` and `kiln open` put there, and takes it out of the address.
 * Returns why it was refused, if it was.
 */
export async function redeemCode(client: QueryClient): Promise<Error | undefined> {
  const code = CODE.exec(location.hash)?.[1];
  if (code === undefined) return undefined;
  history.replaceState(history.state, '', location.pathname + location.search);
  try {
    client.setQueryData(sessionQuery.queryKey, await logIn({ code }));
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
