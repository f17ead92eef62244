import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { StatusResponseSchema } from './generated/moby/buildkit/v1/control_pb.ts';
import { statusMessage } from './status-message.ts';

const at = (seconds: bigint) => ({ seconds, nanos: 5_999_999 });

test('converts a status to the form in which buildx prints it', () => {
  const response = create(StatusResponseSchema, {
    vertexes: [
      { digest: 'sha256:a', name: '[1/2] FROM x', cached: true, started: at(1n), completed: at(2n) },
      { digest: 'sha256:b', inputs: ['sha256:a'], error: 'exit code: 1' },
    ],
    statuses: [{ id: 'layer', vertex: 'sha256:a', current: 5n, total: 10n, timestamp: at(3n) }],
    logs: [{ vertex: 'sha256:a', stream: 2n, msg: Buffer.from('out'), timestamp: at(4n) }],
    warnings: [{ short: Buffer.from('old'), detail: [Buffer.from('more')], url: 'https://x.example' }],
  });
  expect(statusMessage(response)).toEqual({
    vertexes: [
      {
        ...{ digest: 'sha256:a', name: '[1/2] FROM x', inputs: [], cached: true },
        ...{ started: '1970-01-01T00:00:01.005Z', completed: '1970-01-01T00:00:02.005Z' },
      },
      { digest: 'sha256:b', inputs: ['sha256:a'], cached: false, error: 'exit code: 1' },
    ],
    statuses: [
      { id: 'layer', vertex: 'sha256:a', name: '', current: 5, total: 10, timestamp: '1970-01-01T00:00:03.005Z' },
    ],
    logs: [{ vertex: 'sha256:a', stream: 2, data: 'b3V0', timestamp: '1970-01-01T00:00:04.005Z' }],
    warnings: [{ short: 'b2xk', detail: ['bW9yZQ=='], url: 'https://x.example' }],
  });
});
