import { bytes, type HostDetailView } from '@kiln/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { shortRepo } from '../ui/build-words.ts';
import { Failure } from '../ui/failure.tsx';
import { Ago } from '../ui/time.tsx';
import { HostActions } from './host-actions.tsx';
import { HostMark } from './host-mark.tsx';
import { Builds, Caches, Disk } from './host-table.tsx';
import { labelWords } from './host-words.ts';
import { hostQuery } from './queries.ts';

const route = getRouteApi('/pool/$host');

/** One host: what it is, what it does, what its caches hold, and what to do with it. */
export function HostPage() {
  const { host: name } = route.useParams();
  const { data: host, error, refetch } = useQuery(hostQuery(name));
  return (
    <main className="page">
      <title>{`${name} · Kiln`}</title>
      <p>
        <Link to="/pool">Pool</Link>
      </p>
      <h1>
        {name} {host && <HostMark host={host} />}
      </h1>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {host && (
        <>
          <HostActions host={host} />
          <Facts host={host} />
          <Incidents host={host} />
          <Inventory host={host} />
        </>
      )}
    </main>
  );
}

function Facts({ host }: { readonly host: HostDetailView }) {
  const labels = labelWords(host);
  return (
    <dl className="host-facts">
      <Fact name="Slots">
        {host.usedSlots} of {host.slots} in use
        {host.reported && host.reported.slots !== host.slots && ` (its worker reports ${host.reported.slots})`}
      </Fact>
      <Fact name="Builds">
        <Builds host={host} />
      </Fact>
      <Fact name="Disk">
        <Disk host={host} />
      </Fact>
      <Fact name="Caches">
        <Caches host={host} />
      </Fact>
      {host.disk?.treeBudgetBytes !== undefined && (
        <Fact name="Working trees">
          {bytes(host.disk.treeBytes ?? 0)} of {bytes(host.disk.treeBudgetBytes)}
        </Fact>
      )}
      {labels.length > 0 && <Fact name="Labels">{labels.join(' ')}</Fact>}
      <Fact name="Platforms">
        {host.platforms
          .map((platform) => (host.emulated?.includes(platform) ? `${platform} (emulated)` : platform))
          .join(', ')}
      </Fact>
      <Fact name="Takes builds">
        {host.trust.join(' and ')},{' '}
        {host.isolation === 'pool' ? 'of all teams together' : `isolated by ${host.isolation}`}
      </Fact>
      <Fact name="Versions">
        engine {host.engineVersion}, buildx {host.buildxVersion}
        {host.buildkitVersion && `, BuildKit ${host.buildkitVersion}`}, driver {host.driver}
      </Fact>
      <Fact name="Last seen">
        <Ago at={host.lastSeenAt} />
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Incidents({ host: { incidents = [] } }: { readonly host: HostDetailView }) {
  if (incidents.length === 0) return null;
  return (
    <>
      <h2>Incidents</h2>
      <ul className="incidents">
        {incidents.toReversed().map(({ at, domain, state, action, message }) => (
          <li key={`${at} ${domain} ${action}`}>
            <Ago at={at} />: builder of {domain}: {state.replaceAll('_', ' ')}, {action.replaceAll('_', ' ')}
            {message && <span className="sub">{message}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Cache mounts that are listed. */
const SHOWN = 100;

function Inventory({ host: { inventory } }: { readonly host: HostDetailView }) {
  if (!inventory) return <p className="hint">The caches of this host have not been read yet.</p>;
  const { mounts, layers } = inventory;
  const omitted = inventory.mountsLeftOut + Math.max(0, mounts.length - SHOWN);
  return (
    <>
      <h2>Cache mounts</h2>
      {mounts.length === 0 ? (
        <p className="hint">No build on this host has used a cache mount.</p>
      ) : (
        <div className="scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Mount</th>
                <th scope="col">Repos</th>
                <th scope="col">Size</th>
                <th scope="col">Last used</th>
              </tr>
            </thead>
            <tbody>
              {mounts.slice(0, SHOWN).map(({ id, domain, repos, bytes: size, lastUsedAt, inUse }) => (
                <tr key={`${domain} ${id}`}>
                  <th scope="row" title={id}>
                    <code>{id.slice(id.indexOf('/') + 1)}</code>
                  </th>
                  <td>{repos.map(shortRepo).join(', ') || <span className="none">not known</span>}</td>
                  <td className="number">{bytes(size)}</td>
                  <td>{inUse ? 'in use' : <Ago at={lastUsedAt} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {omitted > 0 && <p className="hint">{omitted} more are not listed.</p>}
      <p className="hint">
        {layers.count} layers of {bytes(layers.bytes)}; read <Ago at={inventory.readAt} />.
      </p>
    </>
  );
}
