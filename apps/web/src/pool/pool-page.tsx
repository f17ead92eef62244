import { useQuery } from '@tanstack/react-query';
import { useMay } from '../session/use-may.ts';
import { counted } from '../ui/counted.ts';
import { Failure } from '../ui/failure.tsx';
import { Message } from '../ui/message.tsx';
import { HostTable } from './host-table.tsx';
import { poolNumbers } from './host-words.ts';
import { hostsQuery, waitingQuery } from './queries.ts';
import { Queue } from './queue.tsx';
import { WarmthMap } from './warmth-map.tsx';

/** The hosts, what waits for them, and which is warm for what. */
export function PoolPage() {
  const { data, error, refetch } = useQuery(hostsQuery);
  const waiting = useQuery(waitingQuery);
  const isOperator = useMay('hosts:operate');
  const hosts = data?.hosts ?? [];
  return (
    <main className="page">
      <title>Pool · Kiln</title>
      <h1>Pool</h1>
      {error && <Failure error={error} retry={() => void refetch()} />}
      {data && hosts.length === 0 && <NoHosts />}
      {data && hosts.length > 0 && (
        <>
          <p className="lead">{summary(poolNumbers(hosts), hosts.length)}</p>
          <div className="scroll">
            <HostTable hosts={hosts} isOperator={isOperator} />
          </div>
        </>
      )}
      <h2>Queue</h2>
      {waiting.error && <Failure error={waiting.error} retry={() => void waiting.refetch()} />}
      {waiting.data && <Queue builds={waiting.data.builds} hasMore={waiting.data.next !== undefined} />}
      {isOperator && hosts.length > 0 && (
        <>
          <h2>Warmth</h2>
          <p className="hint">How much of what a repo’s recent builds used is on each host.</p>
          <WarmthMap hosts={hosts.map(({ name }) => name)} />
        </>
      )}
    </main>
  );
}

function summary({ ready, slots, usedSlots }: ReturnType<typeof poolNumbers>, all: number): string {
  const hosts = ready === all ? counted(all, 'host') : `${ready} of ${counted(all, 'host')}`;
  return `${hosts} ${ready === 1 ? 'takes' : 'take'} builds, ${usedSlots} of ${counted(slots, 'slot')} in use.`;
}

function NoHosts() {
  return (
    <Message tone="warn" title="The pool has no hosts.">
      <p>
        Builds wait until there is one. Create a worker token with <code>kiln token create --worker</code> and start{' '}
        <code>kiln worker --join URL</code> on a machine with Docker.
      </p>
    </Message>
  );
}
