import { bytes, type HostDetailView } from '@kiln/contracts';
import { useQueries } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { shortRepo } from '../ui/build-words.ts';
import { mappedHostQuery } from './queries.ts';
import { type MapRow, warmthRows } from './warmth-rows.ts';

/** Hosts and repos that are mapped: more would not fit a screen. */
const MAX_HOSTS = 40;
const MAX_REPOS = 50;

/** Which host is warm for which repo. */
export function WarmthMap({ hosts }: { readonly hosts: readonly string[] }) {
  const shown = hosts.slice(0, MAX_HOSTS);
  const details = useQueries({
    queries: shown.map(mappedHostQuery),
    combine: (results) => results.flatMap(({ data }) => (data ? [data] : [])),
  });
  const rows = warmthRows(details);
  if (rows.length === 0) return <p className="hint">No host has caches yet.</p>;
  return (
    <section className="scroll" aria-label="Warmth of repos by host">
      <table className="table heat">
        <thead>
          <tr>
            <th scope="col">Repo</th>
            {details.map(({ name }) => (
              <th scope="col" key={name}>
                <Link to="/pool/$host" params={{ host: name }}>
                  {name}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MAX_REPOS).map((row) => (
            <tr key={row.key}>
              <th scope="row" title={row.repo}>
                {shortRepo(row.repo)}
                {row.owner && <span className="sub">{row.owner}</span>}
              </th>
              {details.map((host) => (
                <Heat key={host.name} row={row} host={host} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {(rows.length > MAX_REPOS || hosts.length > MAX_HOSTS) && (
        <p className="hint">
          {Math.min(rows.length, MAX_REPOS)} of {rows.length} repos, {shown.length} of {hosts.length} hosts.
        </p>
      )}
    </section>
  );
}

function Heat({ row, host }: { readonly row: MapRow; readonly host: HostDetailView }) {
  const own = row.byHost.get(host.name);
  if (!own) return <td className="none">–</td>;
  const percent = Math.round(own.warmth * 100);
  return (
    <td>
      <span className="heat-cell" title={`${bytes(own.bytes)}, ${percent}% of what its recent builds used`}>
        <span className="heat-ground" style={{ opacity: own.warmth }} aria-hidden="true" />
        <span className="heat-words">{percent}%</span>
      </span>
    </td>
  );
}
