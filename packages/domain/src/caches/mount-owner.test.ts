import { expect, test } from 'vitest';
import { mountOwners } from './mount-owner.ts';

const ownersOf = (...steps: string[]) => Object.fromEntries(mountOwners(steps));

test('reads what RUN steps set for the directories of their cache mounts, with BuildKit’s defaults', () => {
  expect(
    ownersOf(
      '[build 2/4] RUN --network=none --mount=type=cache,target=/c,uid=1000,gid=1001,mode=0700 make',
      '[linux/arm64 3/4] RUN --mount=type=cache,id=go,dst=/go,mode=1775 --mount=type=cache,target=/d,uid=0 --mount=type=secret,id=x,uid=5 go',
    ),
  ).toEqual({
    '/c': { uid: 1000, gid: 1001, mode: 0o700 },
    go: { uid: 0, gid: 0, mode: 0o1775 },
    '/d': { uid: 0, gid: 0, mode: 0o755 },
  });
});

test.each([
  '[2/2] RUN --mount=type=cache,target=/c make',
  '[2/2] RUN --mount=type=cache,target=/c,from=base,uid=1 make',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as BuildKit prints an argument that is masked
  '[2/2] RUN --mount=type=cache,target=/c,uid=${USER_ID} make',
  '[2/2] RUN --mount=type=cache,target=/c,mode=u+x make',
  '[2/2] RUN echo --mount=type=cache,target=/c,uid=1',
  '[2/2] COPY --mount=type=cache,target=/c,uid=1 . .',
  '--mount=type=cache,target=/c,uid=1',
])('reads nothing from %s', (step) => {
  expect(ownersOf(step)).toEqual({});
});
