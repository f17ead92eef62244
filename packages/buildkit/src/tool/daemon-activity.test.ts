import { expect, test } from 'vitest';
import { readActivity } from './daemon-activity.ts';

const line = (pid: number, name: string, ticks = 0, state = 'S') =>
  `${pid} (${name}) ${state} 1 1 1 0 -1 4194560 1 0 0 0 ${ticks} ${ticks} 0 0 20 0 1 0 0 0 0`;

test('counts the processes of a builder’s container that may belong to steps, and adds up the CPU time of its own', () => {
  const text = ['9', line(1, 'docker-init'), line(7, 'buildkitd', 150), line(9, 'cat', 3)];
  expect(readActivity(text.join('\n'))).toEqual({ working: 0, cpuMs: 3_000 });
  const running = [...text, line(20, 'buildkit-runc'), line(21, 'sh'), line(22, 'a) S (b'), line(23, 'make', 9, 'Z')];
  expect(readActivity(running.join('\n'))).toEqual({ working: 2, cpuMs: 3_000 });
});

test('knows nothing of a container whose processes can’t be read', () => {
  expect(readActivity('')).toBeUndefined();
  expect(readActivity('9\n')).toBeUndefined();
});
