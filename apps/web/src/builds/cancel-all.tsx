import { type BuildView, buildView } from '@kiln/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '../api/call.ts';
import { useMay } from '../session/use-may.ts';
import { isActive } from '../ui/build-words.ts';
import { Confirm } from '../ui/confirm.tsx';
import { counted } from '../ui/counted.ts';

/** Cancels requested at the same time. */
const AT_ONCE = 4;

/** Cancels all builds of the list that have not ended, after a question. There if the list is filtered, and has any. */
export function CancelAll({ builds }: { readonly builds: readonly BuildView[] }) {
  const may = useMay('builds:write');
  const [asked, setAsked] = useState<readonly BuildView[]>();
  const active = builds.filter((build) => isActive(build) && build.cancelRequestedAt === undefined);
  const cancel = useMutation({ mutationFn: cancelEach });
  const { failed = 0 } = cancel.data ?? {};
  if (!may || (active.length === 0 && failed === 0 && !cancel.isPending)) return null;
  return (
    <>
      {active.length > 0 && (
        <button type="button" className="button danger" disabled={cancel.isPending} onClick={() => setAsked(active)}>
          {cancel.isPending ? 'Canceling …' : `Cancel ${counted(active.length, 'build')} …`}
        </button>
      )}
      {failed > 0 && <span role="status">{counted(failed, 'build')} could not be canceled: try again.</span>}
      {asked && (
        <Confirm
          title={`Cancel ${counted(asked.length, 'build')}?`}
          verb={`Cancel ${counted(asked.length, 'build')}`}
          isDangerous
          keep="Keep"
          act={async () => cancel.mutate(asked)}
          onClose={() => setAsked(undefined)}
        >
          <p>These are the builds of the list that have not ended. What they have pushed so far stays pushed.</p>
        </Confirm>
      )}
    </>
  );
}

/** Cancels some at a time. One that can't be canceled, as because it has just ended, doesn't keep the others. */
async function cancelEach(builds: readonly BuildView[]): Promise<{ failed: number }> {
  const rest = [...builds];
  let failed = 0;
  const work = async () => {
    for (let build = rest.pop(); build; build = rest.pop()) {
      await call(`v1/builds/${build.id}/cancel`, buildView, { method: 'POST' }).catch(() => {
        failed += 1;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { failed };
}
