import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { urlOf } from '../api/call.ts';
import { ApiError } from '../api/problem.ts';
import { BASE } from '../app/base.ts';
import logo from '../ui/kiln.svg';
import { Message } from '../ui/message.tsx';
import { logIn, loginMethodsQuery, sessionQuery } from './session.ts';

/** What to do about a refused login, in words. */
function remedy(error: Error): string {
  if (!(error instanceof ApiError)) return 'Check that Kiln runs, and that this machine reaches it; then try again.';
  if (error.status === 401) {
    return 'Use a token that an admin created (kiln token create), or the one in the file that kiln up names.';
  }
  if (error.status === 403 && error.errors.some(({ field }) => field.startsWith('header'))) {
    const expected = error.errors[0]?.expected;
    return `Open Kiln at the address that it is set to (KILN_PUBLIC_URL): ${expected}.`;
  }
  return '';
}

/** Asks for a token, or leads to the OIDC issuer. `failure`: why a code in the page's URL was refused. */
export function LoginPage({ failure }: { readonly failure?: Error | undefined }) {
  const client = useQueryClient();
  const methods = useQuery(loginMethodsQuery);
  const [token, setToken] = useState('');
  const [error, setError] = useState<Error | undefined>(failure);
  const [isBusy, setIsBusy] = useState(false);
  const id = useId();

  async function submit(event: FormEvent) {
    event.preventDefault();
    setIsBusy(true);
    setError(undefined);
    try {
      client.setQueryData(sessionQuery.queryKey, await logIn({ token: token.trim() }));
      await client.invalidateQueries();
    } catch (caught) {
      setError(caught as Error);
    } finally {
      setIsBusy(false);
    }
  }

  const { oidc } = methods.data ?? {};
  const returnTo = `/${location.pathname.slice(BASE.length)}${location.search}`;
  return (
    <main className="login">
      <h1>
        <img src={logo} alt="" width="32" height="32" /> Log in to Kiln
      </h1>
      {error && (
        <Message tone="bad" title="Login refused">
          {error.message}. {remedy(error)}
        </Message>
      )}
      {oidc && (
        <p>
          <a className="button primary" href={urlOf('auth/login', { returnTo })}>
            Log in with {oidc.name}
          </a>
        </p>
      )}
      <form onSubmit={(event) => void submit(event)}>
        <label htmlFor={id}>Token</label>
        <input
          id={id}
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          value={token}
          onChange={(event) => setToken(event.target.value)}
          aria-describedby={`${id}-help`}
        />
        <p id={`${id}-help`} className="hint">
          A token of yours, such as <code>kiln_api_…</code>. The browser gets a session in its place, and does not keep
          it. On the machine of <code>kiln up</code>, the address that it prints logs in by itself.
        </p>
        <button type="submit" className={oidc ? 'button' : 'button primary'} disabled={isBusy || token.trim() === ''}>
          {isBusy ? 'Logging in …' : 'Log in'}
        </button>
      </form>
    </main>
  );
}
