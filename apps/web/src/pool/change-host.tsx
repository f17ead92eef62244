import type { HostChange, HostInfoView } from '@kiln/contracts';
import { useState } from 'react';
import { Confirm } from '../ui/confirm.tsx';
import { labelWords } from './host-words.ts';
import { labelChange } from './label-change.ts';
import { useOrder } from './use-order.ts';

/** Sets a host's slots and labels. */
export function ChangeHost({ host, onClose }: { readonly host: HostInfoView; readonly onClose: () => void }) {
  const order = useOrder(host.name);
  const [slots, setSlots] = useState(String(host.slots));
  const [labels, setLabels] = useState(labelWords(host).join('\n'));
  const [isReset, setIsReset] = useState(false);
  const change: HostChange = isReset
    ? { reset: true }
    : { slots: Number(slots), labels: labelChange(host.labels, labels) };
  return (
    <Confirm
      title={`Change ${host.name}`}
      verb="Save"
      act={() => order('', { method: 'PATCH', body: change })}
      onClose={onClose}
    >
      <label className="field">
        <span>Slots</span>
        <input
          type="number"
          min="1"
          max="1024"
          required
          value={slots}
          disabled={isReset}
          onChange={(event) => setSlots(event.target.value)}
        />
      </label>
      <label className="field">
        <span>Labels, one a line: name or name=value</span>
        <textarea rows={4} value={labels} disabled={isReset} onChange={(event) => setLabels(event.target.value)} />
      </label>
      {host.reported && (
        <label className="check">
          <input type="checkbox" checked={isReset} onChange={(event) => setIsReset(event.target.checked)} />
          <span>As its worker reports: {counts(host.reported)}</span>
        </label>
      )}
      <p className="hint">Settings override what the worker reports, at once and even if it restarts.</p>
    </Confirm>
  );
}

function counts({ slots, labels }: NonNullable<HostInfoView['reported']>): string {
  const names = Object.keys(labels);
  return `${slots} slots, ${names.length === 0 ? 'no labels' : `labels ${names.join(', ')}`}`;
}
