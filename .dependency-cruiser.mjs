/**
 * Who may import whom: the one table. `npm test` enforces it. (The picture in docs/develop/architecture.md shows the imports that there are.)
 * Decides without I/O → domain. Crosses a process → contracts. Talks to Redis → state. Stores blobs → blobs. Talks to Docker → buildkit. Runs git → git.
 */
const ROOMS = {
  // room: the rooms that it may import
  domain: [],
  runtime: [],
  contracts: ['domain'],
  client: ['contracts'],
  git: ['domain', 'runtime'],
  metrics: ['domain', 'contracts', 'runtime'],
  trees: ['domain', 'contracts'],
  forges: ['domain', 'contracts'],
  blobs: ['contracts', 'runtime', 'trees'],
  state: ['domain', 'contracts', 'blobs'],
  buildkit: ['domain', 'contracts', 'trees'],
};

const APPS = {
  // app: the other apps that it may import; every app may import every room
  api: [],
  scheduler: [],
  worker: [],
  cli: ['api', 'scheduler', 'worker'],
};

/** Apps that run in a browser, with the rooms that they may import: those need no Node. */
const PAGES = {
  web: ['contracts'],
};

/** Libraries that only one room may import, because it hides them from all others. */
const HIDDEN_LIBRARIES = {
  ioredis: 'packages/state',
  bullmq: 'packages/state',
  dockerode: 'packages/buildkit',
  express: 'apps/api',
  'prom-client': 'packages/metrics',
};

/** Folders of a room in layers: none may import a later one, except in tests. */
const LAYERS = {
  'packages/buildkit/src': 'engine tool control masking progress outcome egress trees run lifecycle'.split(' '),
  'apps/api/src':
    'http oidc access limits edge contexts secrets builds artifacts schedules history logs audit upkeep hooks hosts login doctor docs page server'.split(
      ' ',
    ),
  'apps/cli/src': 'io framework server context progress commands'.split(' '),
};

const TEST_ONLY = String.raw`\.test\.ts$|/testing/`;

const only = (from, allowed, name) => ({
  name,
  severity: 'error',
  from: { path: `^${from}/` },
  // What rooms export for tests is open to all tests: see `testing-only-in-tests`.
  to: { path: '^(packages|apps)/', pathNot: `^(${[from, ...allowed].join('|')})/|/src/testing/index\\.ts$` },
});

const layers = (room, folders) =>
  folders.slice(0, -1).map((folder, i) => ({
    name: `${room.replaceAll('/', '-')}-${folder}-imports-only-lower-folders`,
    severity: 'error',
    from: { path: `^${room}/${folder}/`, pathNot: TEST_ONLY },
    to: { path: `^${room}/(${folders.slice(i + 1).join('|')}|index\\.ts$)` },
  }));

export default {
  forbidden: [
    ...Object.entries(ROOMS).map(([room, rooms]) =>
      only(
        `packages/${room}`,
        rooms.map((each) => `packages/${each}`),
        `${room}-imports-only-${rooms.join('-') || 'nothing'}`,
      ),
    ),
    ...Object.entries(APPS).map(([app, apps]) =>
      only(`apps/${app}`, ['packages/[^/]+', ...apps.map((each) => `apps/${each}`)], `${app}-imports-no-other-app`),
    ),
    ...Object.entries(PAGES).map(([app, rooms]) =>
      only(
        `apps/${app}`,
        rooms.map((each) => `packages/${each}`),
        `${app}-imports-only-${rooms.join('-')}`,
      ),
    ),
    {
      name: 'nobody-imports-a-page',
      severity: 'error',
      from: { path: '^(packages|apps|infra|test)/', pathNot: '^apps/web/' },
      to: { path: '^apps/web/' },
    },
    ...Object.entries(LAYERS).flatMap(([room, folders]) => layers(room, folders)),
    {
      name: 'through-the-index',
      comment: 'import another room by its name: its index.ts lists what others may use',
      severity: 'error',
      from: { path: '^((?:packages|apps)/[^/]+)/' },
      to: {
        path: '^(packages|apps)/[^/]+/src/',
        pathNot: ['^$1/', String.raw`^[^/]+/[^/]+/src/(testing/)?index\.ts$`],
      },
    },
    {
      name: 'testing-only-in-tests',
      comment: 'what a room exports for tests is no part of a program',
      severity: 'error',
      from: { path: '^(packages|apps)/', pathNot: TEST_ONLY },
      to: { path: '/src/testing/' },
    },
    ...Object.entries(HIDDEN_LIBRARIES).map(([library, room]) => ({
      name: `${library}-only-in-${room.replace('/', '-')}`,
      severity: 'error',
      from: { path: '^(packages|apps)/', pathNot: `^${room}/` },
      to: { path: `node_modules/(@types/)?${library}/` },
    })),
    {
      name: 'no-cycles',
      severity: 'error',
      from: { path: '^(packages|apps|infra|test)/' },
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      // Packages of types alone have nothing to resolve to.
      to: { couldNotResolve: true, pathNot: '^@octokit/(types|openapi-webhooks-types)$' },
    },
  ],
  options: {
    parser: 'tsc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: String.raw`^(\.toolchain|examples|apps/cli/dist|apps/web/dist|dist)/` },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json'],
    },
    reporterOptions: { archi: { collapsePattern: '^(packages|apps)/[^/]+' } },
  },
};
