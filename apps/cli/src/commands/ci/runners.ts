import { UsageError } from '../../io/errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

export const RUNNERS = ['github', 'gitlab', 'woodpecker', 'jenkins'] as const;
export type Runner = (typeof RUNNERS)[number];

/** Which variables hold the inputs. */
export const PREFIXES: Readonly<Record<Runner, string>> = {
  github: 'INPUT_',
  gitlab: 'KILN_INPUT_',
  woodpecker: 'PLUGIN_',
  jenkins: 'KILN_INPUT_',
};

/** Recognises the CI system by the variables that it documents. @throws UsageError if it is not a known one */
export function runnerOf(env: Env, named: string | undefined): Runner {
  const found = named === undefined ? detected(env) : RUNNERS.find((runner) => runner === named);
  if (found) return found;
  const what = named === undefined ? 'this is no job of a CI system that is known' : `got ${JSON.stringify(named)}`;
  throw new UsageError(`${what}; expected ${RUNNERS.join(', ')}`);
}

function detected(env: Env): Runner | undefined {
  if (env.GITHUB_ACTIONS === 'true') return 'github';
  if (env.GITLAB_CI === 'true') return 'gitlab';
  if (env.CI === 'woodpecker' || env.CI_SYSTEM_NAME === 'woodpecker') return 'woodpecker';
  return env.JENKINS_URL ? 'jenkins' : undefined;
}

/** The commit of the job's repository as a build context, for jobs without a checkout. Undefined if the variables don't say. */
export function gitContext(runner: Runner, env: Env): string | undefined {
  switch (runner) {
    case 'github':
      return env.GITHUB_REPOSITORY && `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}.git#${env.GITHUB_SHA}`;
    default:
      return undefined;
  }
}
