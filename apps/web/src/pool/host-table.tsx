import type { HostInfoView } from '@kiln/contracts';
import { Link } from '@tanstack/react-router';
import { counted } from '../ui/counted.ts';
import { Meter } from '../ui/meter.tsx';
import { HostMark } from './host-mark.tsx';
import { cacheUse, diskUse, labelWords } from './host-words.ts';

/** From which share on a disk is short of room. */
export const SHORT_DISK = 0.9;

/** The hosts with what they have and what they use. Names lead to the host for those who may see it. */
export function HostTable({
  hosts,
  isOperator,
}: {
  readonly hosts: readonly HostInfoView[];
  readonly isOperator: boolean;
}) {
  return (
    <table className="table">
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
          <th scope="col">Slots</th>
          <th scope="col">Disk</th>
          <th scope="col">Caches</th>
          <th scope="col">Builds</th>
        </tr>
      </thead>
      <tbody>
        {hosts.map((host) => (
          <tr key={host.name}>
            <th scope="row">
              {isOperator ? (
                <Link to="/pool/$host" params={{ host: host.name }}>
                  {host.name}
                </Link>
              ) : (
                host.name
              )}
              <Labels host={host} />
            </th>
            <td>
              <HostMark host={host} />
            </td>
            <td>
              <Meter
                label={`Slots of ${host.name}`}
                used={host.usedSlots}
                total={host.slots}
                words={`${host.usedSlots} of ${host.slots}`}
              />
            </td>
            <td>
              <Disk host={host} />
            </td>
            <td>
              <Caches host={host} />
            </td>
            <td>
              <Builds host={host} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Labels({ host }: { readonly host: HostInfoView }) {
  const words = labelWords(host);
  return words.length > 0 && <span className="sub labels">{words.join(' ')}</span>;
}

export function Disk({ host }: { readonly host: HostInfoView }) {
  const use = diskUse(host);
  if (!use) return <span className="none">not known</span>;
  return <Meter label={`Disk of ${host.name}`} {...use} shortFrom={SHORT_DISK} />;
}

export function Caches({ host }: { readonly host: HostInfoView }) {
  const use = cacheUse(host);
  if (!use) return <span className="none">not read yet</span>;
  const warm = `${counted(host.caches?.warmRepos ?? 0, 'warm repo')}`;
  if (use.total === undefined) return `${use.words}, ${warm}`;
  return <Meter label={`Caches of ${host.name}`} used={use.used} total={use.total} words={`${use.words}, ${warm}`} />;
}

/** How many builds are listed. */
const SHOWN = 4;

export function Builds({ host: { builds } }: { readonly host: HostInfoView }) {
  if (builds.length === 0) return <span className="none">none</span>;
  return (
    <span className="ids">
      {builds.slice(0, SHOWN).map(({ id }) => (
        <Link key={id} to="/builds/$id" params={{ id }} title={id}>
          <code>{id.slice(-8)}</code>
        </Link>
      ))}
      {builds.length > SHOWN && <span>{builds.length - SHOWN} more</span>}
    </span>
  );
}
