import type { WhoamiView } from '@kiln/contracts';
import { useQuery } from '@tanstack/react-query';
import { sessionQuery } from './session.ts';

/** Whether the user has a scope, which admins all have. What isn't permitted isn't offered; the server decides all the same. */
export function useMay(scope: WhoamiView['scopes'][number]): boolean {
  const { data } = useQuery(sessionQuery);
  return data?.scopes.some((own) => own === scope || own === 'admin') ?? false;
}
