import { useQuery } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { LoginPage } from '../session/login-page.tsx';
import { sessionQuery } from '../session/session.ts';
import { Failure } from '../ui/failure.tsx';
import { router } from './router.tsx';

/** The page: what was asked for, or the login if there is no session. */
export function App({ failure }: { readonly failure?: Error | undefined }) {
  const session = useQuery(sessionQuery);
  if (session.data) return <RouterProvider router={router} />;
  if (session.data === null) return <LoginPage failure={failure} />;
  if (session.error) {
    return (
      <main className="login">
        <Failure error={session.error} retry={() => void session.refetch()} />
      </main>
    );
  }
  return (
    <main className="login" aria-busy="true">
      <p className="hint">Loading …</p>
    </main>
  );
}
