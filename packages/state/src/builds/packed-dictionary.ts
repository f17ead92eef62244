/**
 * The dictionary with which zlib packs builds: texts that nearly every build contains, so that names of fields cost next to nothing. A
 * build can only be unpacked with the dictionary that it was packed with, so an improved one must be added as another version.
 * The most likely texts come last, as zlib recommends.
 */
const DICTIONARY_1 = [
  '"failure":{"code":"canceled","message":"canceled while queued"},"failure":{"code":"superseded","message":"superseded by build ',
  ', which has the same concurrency key"}"failure":{"code":"host_lost","message":"host  was lost","infrastructure"',
  '"failure":{"code":"build_failed","message":"process \\"/bin/sh -c  did not complete successfully: exit code: 1',
  '"failure":{"code":"step_failed","message":"","step":"[build 3/5] RUN npm ci","exitCode":1,"excerpt":"',
  '"untrusted","granted":{"push":["retryOf":"","sharedRun":"","releasedAt":1,"cancelRequestedAt":1,"supersededBy":"',
  '"artifact":{"digest":"sha256:","sizeBytes":"loaded":["output":{"type":"artifact"}"output":{"type":"load"}"output":{"type":"none"}',
  '"source":{"type":"upload","name":"","digest":"sha256:"concurrencyKey":"","supersede":"running","queued","provenance":"mode=max"',
  '"subdir":"storedSecrets":["NPM_TOKEN"],"GIT_AUTH_TOKEN."target":"production","test","runtime"linux/amd64","linux/arm64"',
  'org.opencontainers.image.revision":"org.opencontainers.image.source":"org.opencontainers.image.created":"org.opencontainers.image.version":"',
  'https://gitlab.com/https://bitbucket.org/ghcr.io/docker.io/registry.example.com/localhost:5000/@sha256::latest","refs/heads/master',
  '"GIT_COMMIT":"VERSION":"BUILD_NUMBER":"NODE_ENV":"production"',
  '"state":"failed""state":"canceled""end":"lost""end":"failed""end":"canceled"',
  '{"b":["17"],"c":1,"r":{"revision":5,"state":"succeeded","repo":"github.com/","team":"default","trust":"trusted","submitter":"",',
  '"maxLogBytes":268435456,"createdAt":17,"queuedAt":17,"attempts":[{"number":1,"host":"","incarnation":"","assignedAt":17,',
  '"startedAt":17,"endedAt":17,"end":"succeeded"}],"commit":"","finishedAt":17,"steps":{"total":12,"cached":9},',
  '"result":{"digest":"sha256:","configDigest":"sha256:","pushed":[""]}},',
  '"s":{"source":{"type":"git","url":"https://github.com/.git","ref":"refs/heads/main"},"team":"default","dockerfile":"Dockerfile",',
  '"buildArgs":{},"secrets":[],"labels":{},"platforms":["linux/amd64"],"tags":[""],"output":{"type":"push"},"noCache":false,',
  '"cacheScope":"repo","pull":false,"timeoutSeconds":3600,"priority":"normal","weight":1,"hostLabels":{},"dedupe":false,"resources":{}}}',
].join('');

/** Dictionaries by version, which is the first byte of a packed build. */
export const DICTIONARIES: ReadonlyMap<number, Buffer> = new Map([[1, Buffer.from(DICTIONARY_1)]]);
export const NEWEST_DICTIONARY = 1;
