import type { HostInfoView } from '@kiln/contracts';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Confirm } from '../ui/confirm.tsx';
import { counted } from '../ui/counted.ts';
import { ChangeHost } from './change-host.tsx';
import { useOrder } from './use-order.ts';

type Action = 'cordon' | 'uncordon' | 'drain' | 'remove' | 'change';

/** What operators do with a host, each after a confirmation. */
export function HostActions({ host }: { readonly host: HostInfoView }) {
  const [asked, setAsked] = useState<Action>();
  const close = () => setAsked(undefined);
  const isClosed = host.state !== 'ready';
  return (
    <div className="actions">
      {isClosed ? (
        <button type="button" className="button" onClick={() => setAsked('uncordon')}>
          Uncordon
        </button>
      ) : (
        <button type="button" className="button" onClick={() => setAsked('cordon')}>
          Cordon
        </button>
      )}
      <button type="button" className="button" onClick={() => setAsked('drain')}>
        Drain
      </button>
      <button type="button" className="button" onClick={() => setAsked('change')}>
        Change slots and labels
      </button>
      <button type="button" className="button danger" onClick={() => setAsked('remove')}>
        Remove
      </button>
      {asked === 'change' && <ChangeHost host={host} onClose={close} />}
      {(asked === 'cordon' || asked === 'uncordon') && <Cordon host={host} verb={asked} onClose={close} />}
      {asked === 'drain' && <Drain host={host} onClose={close} />}
      {asked === 'remove' && <Remove host={host} onClose={close} />}
    </div>
  );
}

interface Props {
  readonly host: HostInfoView;
  readonly onClose: () => void;
}

function Cordon({ host, verb, onClose }: Props & { readonly verb: 'cordon' | 'uncordon' }) {
  const order = useOrder(host.name);
  const isCordon = verb === 'cordon';
  return (
    <Confirm
      title={`${isCordon ? 'Cordon' : 'Uncordon'} ${host.name}?`}
      verb={isCordon ? 'Cordon' : 'Uncordon'}
      act={() => order(verb, { method: 'POST' })}
      onClose={onClose}
    >
      <p>
        {isCordon
          ? 'It gets no new builds; running ones continue. In effect until it is uncordoned, even if its worker restarts.'
          : 'It gets builds again. Ends a cordon, a drain, or a removal in progress.'}
      </p>
    </Confirm>
  );
}

function Drain({ host, onClose }: Props) {
  const order = useOrder(host.name);
  const [minutes, setMinutes] = useState('');
  const body = minutes === '' ? {} : { deadlineSeconds: Math.round(Number(minutes) * 60) };
  return (
    <Confirm
      title={`Drain ${host.name}?`}
      verb="Drain"
      act={() => order('drain', { method: 'POST', body })}
      onClose={onClose}
    >
      <p>
        It gets no new builds and finishes those that it has: {counted(host.builds.length, 'build')}. Caches that only
        this host has are copied to other hosts where that pays.
      </p>
      <label className="field">
        <span>Deadline, min</span>
        <input
          type="number"
          min="0"
          max="10080"
          step="any"
          value={minutes}
          placeholder="none: wait for the builds"
          onChange={(event) => setMinutes(event.target.value)}
        />
      </label>
      <p className="hint">Builds that still run at the deadline are handed back and run again on another host.</p>
    </Confirm>
  );
}

function Remove({ host, onClose }: Props) {
  const order = useOrder(host.name);
  const navigate = useNavigate();
  const isBusy = host.builds.length > 0;
  return (
    <Confirm
      title={`Remove ${host.name} from the pool?`}
      verb="Remove"
      isDangerous
      act={async () => {
        await order('', { method: 'DELETE', query: { force: isBusy } });
        await navigate({ to: '/pool' });
      }}
      onClose={onClose}
    >
      <p>
        Its settings are removed, and its worker stops.{' '}
        {isBusy && `Its ${counted(host.builds.length, 'build')} will be handed back and run again on another host. `}
        Caches that only this host has are lost; drain it first to keep them.
      </p>
    </Confirm>
  );
}
