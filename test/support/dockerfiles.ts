// Their steps have no network, because none needs it, and the engine takes a tenth of a second of CPU time to make one for a step.

/** Base image that `infra/setup` made or chose. */
export const DEBIAN = process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'kiln.local/debian:bookworm-slim';

/** Prints `begun`, sleeps until it is released, then prints `released`. See `HangingBuild`. */
export const hanging = (seconds: string) =>
  `FROM ${DEBIAN}\nRUN --network=none echo begun; sleep ${seconds} || true; echo released\n`;

/** Prints a numbered line every 20 ms until it is released, then `released`. */
export const chatting = (seconds: string) =>
  [
    `FROM ${DEBIAN}`,
    `RUN --network=none sleep ${seconds} & gate=$!; i=0; \\`,
    `  while kill -0 $gate 2>/dev/null; do i=$((i+1)); echo "line $i"; sleep 0.02; done; echo released`,
    '',
  ].join('\n');

/** A small image, not cached if `text` is new. */
export const quick = (text: string) =>
  `FROM ${DEBIAN} AS build\nRUN --network=none echo ${text} > /f\nFROM scratch\nCOPY --from=build /f /f\n`;

/** A small image that differs each time it is built without a cache. */
export const unique = `FROM ${DEBIAN} AS build\nRUN --network=none cat /proc/sys/kernel/random/uuid > /f\nFROM scratch\nCOPY --from=build /f /f\n`;

/** Prints `found the cache warm` if a build of the repo has filled its cache mount; otherwise `found the cache cold`, and takes `coldSeconds` longer. */
export const warmable = (text: string, coldSeconds: number) =>
  [
    `FROM ${DEBIAN} AS build`,
    `RUN --network=none --mount=type=cache,target=/cache if [ -e /cache/f ]; then echo found the cache warm; \\`,
    `  else echo found the cache cold; sleep ${coldSeconds}; head -c 30M /dev/urandom > /cache/f; fi; echo ${text} > /f`,
    'FROM scratch',
    'COPY --from=build /f /f',
    '',
  ].join('\n');
