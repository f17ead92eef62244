import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { command } from '../../support/command.ts';
import { KilnCommand } from '../../support/kiln-command.ts';
import { layerOf } from '../../support/layer.ts';
import { testDir } from './both.ts';
import type { SameLab } from './lab.ts';

async function writeFiles(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
}

const BAKE_FILE = `
variable "GREETING" { default = "hello" }
group "default" { targets = ["lib", "app"] }
target "lib" {
  context = "./lib"
  dockerfile = "docker/lib.Dockerfile"
  contexts = { more = "./more" }
  args = { GREETING = GREETING }
}
target "app" {
  matrix = { n = ["1", "2"] }
  name = "app-\${n}"
  dockerfile-inline = <<EOT
FROM scratch
COPY more/file /of-app-\${n}
EOT
}
target "broken" { dockerfile-inline = "FROM scratch\\nCOPY missing /" }
`;

/** Two images on a base, of which one is in the same context; texts that a bake file evaluates, and secrets under the same id. */
const LINKED_FILE = `
variable "WHO" { default = "" }
group "default" { targets = ["app", "tool"] }
target "base" {
  context = "base"
  contexts = { "more:1.0" = "./more" }
  args = { TEXT = "$\${BASE} 100%%{ \\"quoted\\", $5" }
  labels = { "of:base" = "yes" }
  secret = ["id=word,env=BASE_WORD"]
}
target "app" {
  dockerfile = "docker/app"
  contexts = { base = "target:base" }
  tags = ["kiln.local/linked-app:\${WHO}"]
  secret = ["id=word,env=APP_WORD"]
  output = ["type=docker"]
  attest = ["type=provenance,disabled=true"]
}
target "tool" {
  dockerfile = "docker/tool"
  contexts = { base = "target:base", app = "target:app" }
  tags = ["kiln.local/linked-tool:\${WHO}"]
  labels = { of = "tool" }
  output = ["type=docker"]
  attest = ["type=provenance,disabled=true"]
}
target "broken" {
  dockerfile-inline = "FROM base\\nCOPY missing /"
  contexts = { base = "target:base" }
}
`;

/** Stories of bake files and Compose files. */
export function bakeStories({ pool, images }: SameLab): void {
  test('kiln bake builds the targets that docker buildx bake builds, and kiln compose build those of services', async () => {
    const dir = await testDir();
    await writeFiles(dir, {
      'docker-bake.hcl': BAKE_FILE,
      'lib/docker/lib.Dockerfile': 'FROM scratch\nARG GREETING\nCOPY $GREETING /\nCOPY --from=more file /\n',
      'lib/hello': 'hello',
      'lib/bye': 'bye',
      'more/file': 'more',
      'compose.yaml': 'services:\n  web:\n    build: { context: more, dockerfile_inline: "FROM scratch\\nCOPY . /" }\n',
    });
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));
    const names = ['lib', 'app-1', 'app-2'];
    /** Bakes with the files of each target's result in a tar; returns what is in them. */
    const bakedBy = async (who: string, bake: (...args: string[]) => Promise<unknown>) => {
      const file = (name: string) => join(dir, `${name}-${who}`);
      const outputs = names.flatMap((name) => ['--set', `${name}.output=type=tar,dest=${file(name)}`]);
      await bake('--no-cache', '--set', 'lib.args.GREETING=bye', ...outputs);
      return await Promise.all(names.map((name) => layerOf(file(name), { times: false })));
    };
    const expected = await bakedBy('buildx', (...args) =>
      command('docker', ['buildx', 'bake', '--builder', 'default', ...args], { cwd: dir }),
    );
    expect(expected.map((lines) => lines.map((line) => line.split(' ').at(-1)))).toEqual([
      ['bye', 'file'],
      ['of-app-1'],
      ['of-app-2'],
    ]);
    const meta = join(dir, 'meta.json');
    expect(await bakedBy('kiln', (...args) => kiln.runIn(dir, 'bake', '--metadata-file', meta, ...args))).toEqual(
      expected,
    );
    expect(Object.keys(JSON.parse(await readFile(meta, 'utf8')) as object)).toEqual(names);

    const broken = kiln.runIn(dir, 'bake', 'app-1', 'broken');
    await expect(broken).rejects.toThrow(
      /exited with 1:[\s\S]*app-1: succeeded[\s\S]*target broken:\n[\s\S]*"\/missing": not found/,
    );
    const before = await pool().client.list({ limit: 1 });
    await expect(kiln.runIn(dir, 'bake', 'nope')).rejects.toThrow('exited with 125:\nkiln: failed to find target nope');
    expect(await pool().client.list({ limit: 1 })).toEqual(before);

    const without = { PATH: join(dir, 'no-programs'), GREETING: 'from the environment' };
    const printed = (env: NodeJS.ProcessEnv, ...args: string[]) =>
      kiln.runWith(env, dir, 'bake', '--print', '--set', 'app-1.tags=a:1', ...args);
    const here = await printed({ GREETING: without.GREETING }, 'lib', 'app');
    expect(here.stdout).toContain(without.GREETING);
    expect((await printed(without, 'lib', 'app')).stdout).toBe(here.stdout);
    await expect(printed(without, 'nope')).rejects.toThrow('exited with 125:\nkiln: failed to find target nope');

    const project = `same-${randomUUID().slice(0, 8)}`;
    const removed = () => command('docker', ['rmi', '--force', `${project}-web`]);
    onTestFinished(async () => void (await removed()));
    const loaded = async () => {
      const args = ['image', 'inspect', '--format', '{{json .}}', `${project}-web`];
      const { RootFS, Config } = JSON.parse((await command('docker', args)).stdout) as {
        RootFS: object;
        Config: { Labels: Record<string, string> };
      };
      const { 'com.docker.compose.version': _, ...labels } = Config.Labels;
      return { RootFS, labels };
    };
    await command('docker', ['compose', '-p', project, 'build'], { cwd: dir });
    const composed = await loaded();
    await removed();
    const { stderr } = await kiln.runIn(
      dir,
      'compose',
      '-p',
      project,
      'build',
      '--mtimes=submitted',
      '--progress=plain',
    );
    expect(stderr).toMatch(/#\d+ \[web 1\/1\] COPY \. \/\n[\s\S]*kiln: web: succeeded/);
    expect(await loaded()).toEqual(composed);
    expect(composed.labels).toMatchObject({ 'com.docker.compose.project': project });
  });

  test('kiln bake builds linked targets as one build, with the images that docker buildx bake builds', async () => {
    const dir = await testDir();
    await writeFiles(dir, {
      'docker-bake.hcl': LINKED_FILE,
      'base/Dockerfile':
        'FROM scratch\nARG TEXT\nENV TEXT=$TEXT\nCOPY --from=more:1.0 file /of-more\nCOPY file /of-base\n',
      'base/file': 'base',
      'more/file': 'more',
      'docker/app': 'FROM base\nCOPY file /of-app\nCMD ["app"]\n',
      'docker/tool': 'FROM base\nCOPY --from=app of-app /\nCOPY file /of-tool\n',
      '.dockerignore': 'ignored\n',
      file: 'own',
      ignored: 'ignored',
    });
    const kiln = await KilnCommand.of(pool(), join(dir, 'home'));
    const run = randomUUID().slice(0, 8);
    const env = (who: string) => ({ WHO: `${who}-${run}`, BASE_WORD: 'xyzzy-base', APP_WORD: 'xyzzy-app' });
    const tags = (who: string) => ['app', 'tool'].map((name) => `kiln.local/linked-${name}:${who}-${run}`);
    for (const tag of [...tags('buildx'), ...tags('kiln')]) images.add(tag);
    const imagesOf = async (who: string) => {
      const format = '{{json .RootFS.Layers}} {{json .Config}}';
      return (await command('docker', ['image', 'inspect', '--format', format, ...tags(who)])).stdout;
    };
    await command('docker', ['buildx', 'bake', '--builder', 'default', '--no-cache'], { cwd: dir, env: env('buildx') });
    const meta = join(dir, 'meta.json');
    const args = ['--no-cache', '--mtimes=submitted', '--metadata-file', meta, '--progress=plain'];
    const { stderr } = await kiln.runWith(env('kiln'), dir, 'bake', ...args);

    const expected = await imagesOf('buildx');
    expect(expected).toContain('{BASE} 100%{');
    expect(await imagesOf('kiln')).toBe(expected);
    expect(stderr).toMatch(/#\d+ \[tool stage-0 1\/3\] COPY --from=app/);
    expect(stderr).toMatch(/#\d+ \[base internal\] load build definition from Dockerfile/);
    const { builds } = await pool().client.list({ limit: 1 });
    expect(builds[0]).toMatchObject({
      state: 'succeeded',
      result: { artifact: {}, targets: { app: {}, base: {}, tool: {} } },
    });
    const written = JSON.parse(await readFile(meta, 'utf8')) as Record<string, Record<string, string>>;
    expect(Object.keys(written).sort()).toEqual(['app', 'base', 'tool']);
    const digests = [written.app, written.tool].map((target) => target?.['containerimage.digest']);
    expect(digests).toEqual([expect.stringMatching(/^sha256:/), expect.stringMatching(/^sha256:/)]);
    expect(digests[0]).not.toBe(digests[1]);

    const broken = kiln.runWith(env('kiln'), dir, 'bake', 'broken');
    await expect(broken).rejects.toThrow(
      /exited with 1:[\s\S]*targets broken, base:\n[\s\S]*target broken: \[(?:stage-0 )?\d\/\d\] COPY missing \/: "\/missing": not found/,
    );
  });
}
