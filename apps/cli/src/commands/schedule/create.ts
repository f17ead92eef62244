import type { BuildRequestInput } from '@kiln/contracts';
import { printJson } from '../../framework/print.ts';
import { FlagError, UsageError } from '../../io/errors.ts';
import { EXIT } from '../../io/exit-codes.ts';
import { clientCommand } from '../../server/client-command.ts';
import { DOCKER_FLAGS, KILN_FLAGS } from '../build/request/build-flags.ts';
import { buildRequestOf } from '../build/request/build-request.ts';
import { cacheWarnings } from '../build/request/cache-flags.ts';
import { gitSourceOf } from '../build/request/git-source.ts';
import { readSecrets } from '../build/request/secret-flag.ts';
import { whenText } from './when-text.ts';

const { push, tag, file, target, platform, secret, label, annotation, memory, ulimit, provenance, sbom, attest, pull } =
  DOCKER_FLAGS;
const { ref, team, priority, timeout, cpus, weight, dedupe, supersede } = KILN_FLAGS;

export const createCommand = clientCommand(
  {
    name: 'schedule create',
    synopsis: 'NAME GIT_URL',
    summary: 'Schedule builds of a git repository',
    description:
      'Schedule builds of a git repository: one build at each of the given times. GIT_URL has the form of kiln build, https://host/repo.git#branch:subdir. ' +
      'The branch is resolved to a commit for each build.',
    examples: [
      '# Every working day at 3 a.m. in Berlin',
      'kiln schedule create --cron "0 3 * * 1-5" --timezone Europe/Berlin --push -t r.example.org/app nightly https://github.com/acme/app.git#main',
      '# Keep caches warm',
      'kiln schedule create --cron "*/30 * * * *" --prewarm warm-app https://github.com/acme/app.git#main',
    ],
    operands: [2, 2],
    flags: {
      cron: {
        kind: 'text',
        value: 'TIMES',
        help: 'Times to build: minute, hour, day of month, month, day of week, such as "0 3 * * 1-5" (required)',
      },
      timezone: { kind: 'text', value: 'ZONE', help: 'Time zone of --cron, such as Europe/Berlin (default: UTC)' },
      prewarm: {
        kind: 'bool',
        help: 'Only warm the caches: no output, batch priority, and the next build replaces one that still waits',
      },
      paused: { kind: 'bool', help: 'Create the schedule paused' },
      ...{
        tag,
        push,
        file,
        target,
        platform,
        secret,
        label,
        annotation,
        memory,
        ulimit,
        provenance,
        sbom,
        attest,
        pull,
      },
      'build-arg': DOCKER_FLAGS['build-arg'],
      'no-cache': DOCKER_FLAGS['no-cache'],
      'no-cache-filter': DOCKER_FLAGS['no-cache-filter'],
      'shm-size': DOCKER_FLAGS['shm-size'],
      'add-host': DOCKER_FLAGS['add-host'],
      network: DOCKER_FLAGS.network,
      allow: DOCKER_FLAGS.allow,
      ...{ ref, team, priority, timeout, cpus, weight, dedupe, supersede },
      'stored-secret': KILN_FLAGS['stored-secret'],
      mtimes: KILN_FLAGS.mtimes,
      cache: KILN_FLAGS.cache,
      'cache-key': KILN_FLAGS['cache-key'],
      'cache-from': DOCKER_FLAGS['cache-from'],
      'cache-to': DOCKER_FLAGS['cache-to'],
      'cache-scope': KILN_FLAGS['cache-scope'],
      'host-label': KILN_FLAGS['host-label'],
      'queue-timeout': KILN_FLAGS['queue-timeout'],
      'wait-for-host': KILN_FLAGS['wait-for-host'],
      'concurrency-key': KILN_FLAGS['concurrency-key'],
    },
  },
  async ({ flags, client, operands: [name = '', url = ''], io }) => {
    if (flags.cron === undefined) throw new FlagError('--cron is required');
    if (flags.prewarm && flags.push) throw new FlagError('--prewarm cannot be combined with --push');
    const source = gitSourceOf(url, flags.ref);
    if (!source) throw new UsageError(`${url}: expected a git URL; local files can't be built on a schedule`);
    const secrets = await readSecrets(flags.secret, io.env, io.cwd);
    for (const warning of [...cacheWarnings(flags), ...secrets.warnings]) io.err.line(`kiln: ${warning}`);
    const request: BuildRequestInput = {
      ...buildRequestOf({
        ...{ flags, source, env: io.env, secrets, dockerfile: flags.file },
        plan: { output: { type: flags.push ? 'push' : 'none' }, names: [] },
      }),
      ...(flags.prewarm && prewarming(name, flags.priority === undefined)),
    };
    const schedule = await client.createSchedule({
      ...{ name, cron: flags.cron, request },
      ...(flags.timezone !== undefined && { timezone: flags.timezone }),
      ...(flags.paused && { paused: true }),
    });
    if (flags.json) printJson(io, schedule);
    else io.out.line(`${schedule.id} (${name}): ${whenText(schedule, io.now())}`);
    return EXIT.ok;
  },
);

function prewarming(name: string, isPriorityFree: boolean): Partial<BuildRequestInput> {
  return {
    concurrencyKey: `prewarm:${name}`,
    supersede: 'queued',
    ...(isPriorityFree && { priority: 'batch' }),
  };
}
