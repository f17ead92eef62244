import * as Menu from '@radix-ui/react-dropdown-menu';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { logOut, sessionQuery } from '../session/session.ts';
import { chooseTheme, chosenTheme, THEMES, type Theme } from './theme.ts';

const THEME_NAMES: Readonly<Record<Theme, string>> = { system: 'As the system', light: 'Light', dark: 'Dark' };

/** Who is logged in, the theme, and the way out. */
export function UserMenu() {
  const { data: session } = useQuery(sessionQuery);
  const client = useQueryClient();
  const [theme, setTheme] = useState(chosenTheme);
  async function leave() {
    await logOut();
    client.clear();
    location.reload();
  }
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger className="button quiet user">
        {session?.name} <span aria-hidden="true">▾</span>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content className="menu" align="end" sideOffset={4}>
          <Menu.Label className="menu-label">
            {session?.team === '*' ? 'All teams' : `Team ${session?.team}`}
            {session?.trust === 'untrusted' && ', untrusted'}
            <br />
            {session?.scopes.join(', ') || 'no scopes'}
          </Menu.Label>
          <Menu.Separator className="menu-separator" />
          <Menu.Label className="menu-label">Theme</Menu.Label>
          <Menu.RadioGroup
            value={theme}
            onValueChange={(value) => {
              chooseTheme(value as Theme);
              setTheme(value as Theme);
            }}
          >
            {THEMES.map((one) => (
              <Menu.RadioItem key={one} value={one} className="menu-item" onSelect={(event) => event.preventDefault()}>
                <span aria-hidden="true" className="menu-mark">
                  {one === theme ? '●' : ''}
                </span>
                {THEME_NAMES[one]}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Separator className="menu-separator" />
          <Menu.Item className="menu-item" onSelect={() => void leave()}>
            <span className="menu-mark" aria-hidden="true" />
            Log out
          </Menu.Item>
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}
