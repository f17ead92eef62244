import { type ReactNode, useState } from 'react';
import { environments, type Flag } from '../../shared/flag.ts';
import { api } from '../api.ts';
import { ErrorNote } from '../components/error-note.tsx';
import { hrefOf } from '../route.ts';
import { useResource } from '../use-resource.ts';

export function FlagsPage(): ReactNode {
  const { value: flags, error } = useResource(api.flags);
  const [search, setSearch] = useState('');
  const shown = (flags ?? []).filter((flag) => matches(flag, search.trim().toLowerCase()));
  return (
    <>
      <ErrorNote error={error} />
      <div className="row">
        <input
          type="search"
          aria-label="Search"
          placeholder="Search by name, key or tag"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <a className="button" href={hrefOf({ page: 'new-flag' })}>
          New flag
        </a>
      </div>
      <table>
        <thead>
          <tr>
            <th>Flag</th>
            {environments.map((environment) => (
              <th key={environment}>{environment}</th>
            ))}
            <th>Changed</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((flag) => (
            <tr key={flag.key}>
              <td>
                <a href={hrefOf({ page: 'flag', key: flag.key })}>{flag.name}</a> <code>{flag.key}</code>
              </td>
              {environments.map((environment) => (
                <td key={environment}>{flag.targeting[environment].enabled ? 'on' : 'off'}</td>
              ))}
              <td>{new Date(flag.updatedAt).toLocaleString()}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {flags !== undefined && shown.length === 0 && <p>No flag to show.</p>}
    </>
  );
}

function matches(flag: Flag, search: string): boolean {
  return [flag.key, flag.name, ...flag.tags].some((text) => text.toLowerCase().includes(search));
}
