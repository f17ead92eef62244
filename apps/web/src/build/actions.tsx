import { type BuildView, buildView } from '@kiln/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { call } from '../api/call.ts';
import { useMay } from '../session/use-may.ts';
import { isActive, shortRepo } from '../ui/build-words.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Failure } from '../ui/failure.tsx';

/** What can be done with a build: cancel it while it has not ended, repeat it afterwards. */
export function Actions({ build }: { readonly build: BuildView }) {
  const may = useMay('builds:write');
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isAsking, setIsAsking] = useState(false);
  const cancel = useMutation({
    mutationFn: () => call(`v1/builds/${build.id}/cancel`, buildView, { method: 'POST' }),
    onSuccess: (canceled) => client.setQueryData(['build', build.id], canceled),
  });
  const retry = useMutation({
    mutationFn: () =>
      call(`v1/builds/${build.id}/retry`, buildView, {
        method: 'POST',
        headers: { 'idempotency-key': crypto.randomUUID() },
      }),
    onSuccess: ({ id }) => navigate({ to: '/builds/$id', params: { id } }),
  });
  const isCanceling = build.cancelRequestedAt !== undefined || cancel.isPending;
  const error = cancel.error ?? retry.error;
  return (
    <>
      <div className="actions">
        {isActive(build) ? (
          <button
            type="button"
            className="button danger"
            disabled={!may || isCanceling}
            title={may ? undefined : 'This needs the scope builds:write.'}
            onClick={() => setIsAsking(true)}
          >
            {isCanceling ? 'Canceling …' : 'Cancel'}
          </button>
        ) : (
          <button
            type="button"
            className="button"
            disabled={!may || retry.isPending}
            title={may ? 'Builds the same again, as a new build.' : 'This needs the scope builds:write.'}
            onClick={() => retry.mutate()}
          >
            Retry
          </button>
        )}
        {build.links.artifact && (
          <a className="button" href={build.links.artifact.slice(1)} download={`${build.id}.tar`}>
            Download the artifact
          </a>
        )}
      </div>
      {error && <Failure error={error} />}
      {isAsking && (
        <Confirm
          title={`Cancel this build of ${shortRepo(build.repo)}?`}
          verb="Cancel the build"
          isDangerous
          keep="Keep"
          act={async () => cancel.mutate()}
          onClose={() => setIsAsking(false)}
        >
          <p>What it has pushed so far stays pushed.</p>
        </Confirm>
      )}
    </>
  );
}
