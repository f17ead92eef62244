import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { cliOfRun } from '../../../apps/cli/src/testing/cli-of-run.ts';
import { command } from '../../support/command.ts';
import type { SameLab } from './lab.ts';

const CI = fileURLToPath(new URL('../../../infra/ci/', import.meta.url));
const GOOD = 'FROM scratch\nCOPY a /a\n';
/** There is no shell to run it. */
const BAD = 'FROM scratch\nCOPY a /a\nRUN --network=none x\n';

let dir: string;
let jobs = 0;

interface ComponentSpec {
  readonly spec: { readonly inputs: Readonly<Record<string, { readonly default?: string }>> };
}

interface Step {
  readonly if?: string;
  readonly run: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs what `infra/ci` has for each CI system as its runner does: with the variables and files that the runner documents. */
export function ciStories({ pool }: Pick<SameLab, 'pool'>): void {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-ci-'));
    await mkdir(join(dir, 'bin'));
    const kiln = `#!/bin/sh\nexec '${process.execPath}' '${await cliOfRun()}' "$@"\n`;
    await writeFile(join(dir, 'bin/kiln'), kiln, { mode: 0o755 });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** The checkout of a job's repository, in which scripts run. */
  async function checkout(dockerfile: string) {
    jobs += 1;
    const cwd = join(dir, `job-${jobs}`);
    await mkdir(cwd);
    await writeFile(join(cwd, 'Dockerfile'), dockerfile);
    await writeFile(join(cwd, 'a'), 'a');
    const base = { ...pool().clientEnv, HOME: cwd, NO_COLOR: '1', PATH: `${join(dir, 'bin')}:${process.env.PATH}` };
    return {
      file: (name: string) => readFile(join(cwd, name), 'utf8'),
      path: (name: string) => join(cwd, name),
      /** Runs a script; returns its exit code and what it wrote. */
      run: async (script: string, env: Record<string, string>) => {
        const watched = `(${script}\n) 2>&1; echo "status=$?"`;
        const { stdout } = await command('bash', ['--noprofile', '--norc', '-c', watched], {
          cwd,
          env: { ...base, ...env },
        });
        return { code: Number(/status=(\d+)\n$/.exec(stdout)?.[1]), log: stdout };
      },
    };
  }

  /** Runs the steps of the action with these inputs. */
  async function runAction(dockerfile: string, given: Record<string, string>) {
    const { inputs, runs } = parse(await readFile(join(CI, 'github/action.yml'), 'utf8')) as {
      readonly inputs: Record<string, { readonly default?: string }>;
      readonly runs: { readonly steps: readonly Step[] };
    };
    for (const name of Object.keys(given)) expect(Object.keys(inputs)).toContain(name);
    const value = (name: string) => given[name] ?? inputs[name]?.default ?? '';
    const job = await checkout(dockerfile);
    const files = { GITHUB_OUTPUT: job.path('outputs'), GITHUB_STEP_SUMMARY: job.path('summary.md') };
    // Its only condition: whether a package is to be installed.
    const [step, ...others] = runs.steps.filter((one) => one.if === undefined);
    expect(others).toEqual([]);
    const filled = Object.entries(step?.env ?? {}).map(([name, text]) => [
      name,
      text.replace(/^\$\{\{ inputs\.([a-z-]+) \}\}$/, (_, input: string) => value(input)),
    ]);
    const env = { CI: 'true', GITHUB_ACTIONS: 'true', ...files, ...Object.fromEntries(filled) };
    return { job, ...(await job.run(step?.run ?? '', env)) };
  }

  test('the action sets its outputs and writes the job’s summary', async () => {
    const { job, code, log } = await runAction(GOOD, { context: '.', outputs: 'type=local,dest=out', labels: 'a=b,c' });
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(await job.file('out/a')).toBe('a');
    const outputs = await job.file('outputs');
    const id = /^build-id<<KILN_EOF\n([0-9a-z]{26})\nKILN_EOF$/m.exec(outputs)?.[1] ?? '';
    expect(outputs).toMatch(/^digest<<KILN_EOF\n.*\nKILN_EOF$/m);
    expect(JSON.parse(/^metadata<<KILN_EOF\n(.*)\nKILN_EOF$/m.exec(outputs)?.[1] ?? '')).toMatchObject({
      'kiln.build': id,
    });
    expect(await job.file('summary.md')).toContain(`[${id}](${pool().clientEnv.KILN_URL}/builds/${id})`);
  });

  test('the action annotates the line of the Dockerfile that failed', async () => {
    const { job, code, log } = await runAction(BAD, { context: '.' });
    expect({ code, log }).toMatchObject({ code: 1, log: expect.stringMatching(/^::error file=Dockerfile,line=3,/m) });
    expect(await job.file('summary.md')).toContain('| At | `Dockerfile:3` |');
  });

  test('the GitLab component writes its reports', async () => {
    const text = await readFile(join(CI, 'gitlab/kiln-build.yml'), 'utf8');
    const [{ spec }, template] = parseAllDocuments(text).map((part) => part.toJS()) as [ComponentSpec, object];
    const given: Record<string, string> = { url: pool().clientEnv.KILN_URL, push: 'false' };
    const filled = JSON.stringify(template).replace(
      /\$\[\[ inputs\.([a-z-]+) \]\]/g,
      (_, name: string) => given[name] ?? spec.inputs[name]?.default ?? '',
    );
    const { build } = JSON.parse(filled) as {
      build: {
        variables: Record<string, string>;
        script: string[];
        after_script: string[];
        artifacts: { reports: Record<string, string> };
      };
    };
    const job = await checkout(BAD);
    const env = { CI: 'true', GITLAB_CI: 'true', ...build.variables };
    const { code, log } = await job.run(build.script.join('\n'), env);
    expect({ code, log }).toMatchObject({ code: 1, log: expect.stringContaining('ERROR: Dockerfile:3: ') });
    const id = (await job.file('kiln-build-id')).trim();
    const { dotenv, annotations, codequality } = build.artifacts.reports;
    expect(await job.file(dotenv ?? '')).toContain(`KILN_BUILD_ID=${id}\n`);
    expect(await job.file(annotations ?? '')).toContain(`/builds/${id}`);
    expect(JSON.parse(await job.file(codequality ?? ''))).toMatchObject([{ location: { lines: { begin: 3 } } }]);
    // As after a job that was canceled; the build has ended, which is no error.
    const after = await job.run(build.after_script.join('\n'), { ...env, CI_JOB_STATUS: 'canceled' });
    expect(after).toMatchObject({ code: 0, log: expect.stringContaining(`${id} already failed`) });
  });

  test('the plugin of Woodpecker builds what its settings say', async () => {
    const dockerfile = await readFile(join(CI, 'woodpecker/Dockerfile'), 'utf8');
    const entry = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)?.[1] ?? '[]') as string[];
    const job = await checkout(GOOD);
    const settings = { PLUGIN_OUTPUTS: 'type=local,dest=out', PLUGIN_BUILD_ARGS: '{"A":"1"}' };
    const { code, log } = await job.run(entry.join(' '), { CI: 'woodpecker', ...settings });
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(await job.file('out/a')).toBe('a');
  });

  test('the stage for Jenkins leaves its outputs in a file of properties', async () => {
    const pipeline = await readFile(join(CI, 'jenkins/Jenkinsfile'), 'utf8');
    const script = /sh '([^']+)'/.exec(pipeline)?.[1] ?? '';
    const properties = /readProperties\(file: '([^']+)'\)/.exec(pipeline)?.[1] ?? '';
    const job = await checkout(GOOD);
    const { code, log } = await job.run(script, { JENKINS_URL: 'http://jenkins.example', KILN_INPUT_CONTEXT: '.' });
    expect({ code, log }).toMatchObject({ code: 0 });
    expect(await job.file(properties)).toMatch(/^KILN_BUILD_ID=[0-9a-z]{26}$/m);
  });
}
