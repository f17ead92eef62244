import { Link, Outlet } from '@tanstack/react-router';
import logo from '../ui/kiln.svg';
import { BASE } from './base.ts';
import { useIsDisconnected } from './connection.ts';
import { Shortcuts } from './shortcuts.tsx';
import { UserMenu } from './user-menu.tsx';

/** What all pages have around them: the way to other pages, who is logged in, and whether the connection holds. */
export function Shell() {
  const isDisconnected = useIsDisconnected();
  return (
    <>
      <button type="button" className="skip" onClick={skip}>
        Skip to the content
      </button>
      <Shortcuts />
      <header className="top">
        <Link to="/" className="brand" aria-label="Kiln: builds">
          <img src={logo} alt="" width="24" height="24" />
          Kiln
        </Link>
        <nav aria-label="Pages">
          <Link to="/" activeOptions={{ exact: true, includeSearch: false }}>
            Builds
          </Link>
          <Link to="/pool">Pool</Link>
          <a href={`${BASE}docs`}>API</a>
        </nav>
        <UserMenu />
      </header>
      <div role="status" className={isDisconnected ? 'banner' : undefined}>
        {isDisconnected &&
          'The connection to Kiln was lost. What you see may be out of date; the page goes on by itself.'}
      </div>
      <div id="main" tabIndex={-1}>
        <Outlet />
      </div>
    </>
  );
}

function skip(): void {
  document.getElementById('main')?.focus();
}
