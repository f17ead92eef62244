import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CommandEnd, command } from '../../support/command.ts';
import { DEBIAN } from '../../support/dockerfiles.ts';
import { layerOf } from '../../support/layer.ts';
import type { Pool } from '../../support/pool/pool.ts';
import { bothPrograms, testDir } from './both.ts';
import type { SameLab } from './lab.ts';

type Build = (...flags: readonly string[]) => Promise<CommandEnd>;

interface Both {
  /** A directory for each of the two, with the same context in `context`. */
  readonly dirs: { readonly kiln: string; readonly buildx: string };
  readonly kiln: Build;
  readonly buildx: Build;
}

/** Writes a context, and returns a way to build it with each of the two, in its own directory. */
async function both(pool: Pool, files: Readonly<Record<string, string>>): Promise<Both> {
  const dir = await testDir();
  const [context, dirs] = [join(dir, 'context'), { kiln: join(dir, 'kiln'), buildx: join(dir, 'buildx') }];
  for (const one of [...Object.values(dirs), context]) await mkdir(one);
  for (const [name, content] of Object.entries(files)) await writeFile(join(context, name), content);
  const programs = await bothPrograms(pool, join(dir, 'home'));
  const repo = randomUUID();
  return {
    dirs,
    kiln: (...flags) => programs.kiln(dirs.kiln, '--repo', repo, ...flags, context),
    buildx: (...flags) => programs.buildx(dirs.buildx, ...flags, context),
  };
}

/** Reads an OCI layout or an image as `docker save` writes it: the layers of its only image, and its names. */
async function imageIn(file: string): Promise<object> {
  const read = async (name: string) =>
    JSON.parse((await command('tar', ['--extract', '--to-stdout', '--file', file, name])).stdout);
  const index = await read('index.json');
  const [{ digest, annotations, mediaType }] = index.manifests;
  const manifest = await read(`blobs/${digest.replace(':', '/')}`);
  const { manifests: [{ digest: inner = undefined } = {}] = [] } = manifest;
  const image = inner === undefined ? manifest : await read(`blobs/${inner.replace(':', '/')}`);
  return { mediaType, name: annotations?.['io.containerd.image.name'], layers: image.layers, type: image.mediaType };
}

const CONTEXT = { Dockerfile: 'FROM scratch\nCOPY a b /\nLABEL org.example.k=v\n', a: 'a', b: 'b' };

const TARGETS = `FROM scratch AS base
# the whole of it
FROM base AS all
ARG flavor=sweet
RUN --mount=type=secret,id=token make
`;

/** Stories of outputs, calls, secrets and networks. */
export function flagStories({ pool, images }: SameLab): void {
  test('several outputs at once are the files that docker buildx build writes', async () => {
    const { dirs, kiln, buildx } = await both(pool(), CONTEXT);
    const outputs = [
      'type=local,dest=local',
      'type=tar,dest=files.tar',
      'type=oci,dest=oci.tar,compression=zstd,force-compression=true,oci-mediatypes=true',
      'type=docker,dest=docker.tar,name=kiln.example/named:1',
    ].flatMap((output) => ['--output', output]);
    expect(await buildx(...outputs)).toMatchObject({ code: 0 });
    expect(await kiln(...outputs)).toMatchObject({ code: 0 });
    for (const name of ['a', 'b']) expect(await readFile(join(dirs.kiln, 'local', name), 'utf8'), name).toBe(name);
    const filesOf = (dir: string) => layerOf(join(dir, 'files.tar'), { times: false });
    expect(await filesOf(dirs.kiln)).toEqual(await filesOf(dirs.buildx));
    const oci = await imageIn(join(dirs.kiln, 'oci.tar'));
    expect(oci).toEqual(await imageIn(join(dirs.buildx, 'oci.tar')));
    expect(JSON.stringify(oci)).toContain('tar+zstd');
    const docker = await imageIn(join(dirs.kiln, 'docker.tar'));
    expect(docker).toEqual(await imageIn(join(dirs.buildx, 'docker.tar')));
    expect(docker).toMatchObject({ name: 'kiln.example/named:1' });
  });

  test('an image goes to standard output, and with --load into this machine’s engine, as with docker buildx build', async () => {
    const { dirs, kiln, buildx } = await both(pool(), CONTEXT);
    const tags = { kiln: `kiln.local/load-${randomUUID()}:1`, buildx: `kiln.local/load-${randomUUID()}:1` };
    for (const tag of Object.values(tags)) images.add(tag);
    const ids: Record<string, string> = {};
    for (const [name, build] of Object.entries({ kiln, buildx }) as ['kiln' | 'buildx', Build][]) {
      expect(await build('--load', '--iidfile', 'iid', '--metadata-file', 'meta', '-t', tags[name])).toMatchObject({
        code: 0,
      });
      expect(await readFile(join(dirs[name], 'iid'), 'utf8')).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(JSON.parse(await readFile(join(dirs[name], 'meta'), 'utf8'))).toMatchObject({ 'image.name': tags[name] });
      const { stdout } = await command('docker', [
        'image',
        'inspect',
        '--format',
        '{{json .RootFS}} {{json .Config}}',
        tags[name],
      ]);
      ids[name] = stdout;
    }
    expect(ids.kiln).toBe(ids.buildx);
    expect(ids.kiln).toContain('org.example.k');

    const piped = await kiln('--output', 'type=oci', '-t', 'kiln.example/piped:1');
    expect(piped).toMatchObject({ code: 0, stdout: expect.stringContaining('oci-layout') });
  });

  test('calls print what docker buildx build prints, without building', async () => {
    const { kiln, buildx } = await both(pool(), { Dockerfile: TARGETS });
    for (const call of ['targets', 'outline', 'outline,format=json']) {
      const [expected, made] = await Promise.all([
        buildx(`--print=${call}`, '--output=type=cacheonly'),
        kiln(`--call=${call}`),
      ]);
      expect(expected).toMatchObject({ code: 0, stdout: expect.stringMatching(/base|sweet/) });
      expect(made, call).toMatchObject({ code: 0, stdout: expected.stdout });
    }
    // BuildKit checks Dockerfiles since 0.15.
    const [expected, checked] = await Promise.all([buildx('--print=lint', '--output=type=cacheonly'), kiln('--check')]);
    expect(checked.code).toBe(expected.code);
    if (expected.code !== 0) expect(checked.stderr).toContain('unsupported request frontend.lint');
  });

  test('secrets of any bytes, of a file or a variable, arrive as with docker buildx build, and no log shows them', async () => {
    const { dirs, kiln, buildx } = await both(pool(), {
      Dockerfile: `FROM ${DEBIAN}
RUN --mount=type=secret,id=large --mount=type=secret,id=short --mount=type=secret,id=variable \\
  for id in large short variable; do sha256sum /run/secrets/$id; done > /sums; cat /run/secrets/short; base64 /run/secrets/short
FROM scratch
COPY --from=0 /sums /
`,
    });
    const large = Buffer.alloc(500 * 1024, Buffer.from('0001fffe80c3280a', 'hex'));
    const short = Buffer.concat([Buffer.from('before-'), Buffer.of(0xff, 0xfe), Buffer.from('-after')]);
    const flags = ['id=large,src=large', 'id=short,src=short', 'id=variable,type=env,src=PATH'];
    const sums = await Promise.all(
      (
        [
          ['kiln', kiln],
          ['buildx', buildx],
        ] as const
      ).map(async ([who, build]) => {
        await writeFile(join(dirs[who], 'large'), large);
        await writeFile(join(dirs[who], 'short'), short);
        await writeFile(join(dirs[who], 'too-large'), Buffer.alloc(500 * 1024 + 1, 'x'));
        const made = await build('--no-cache', '-o', 'out', ...flags.flatMap((flag) => ['--secret', flag]));
        expect(made, who).toMatchObject({ code: 0 });
        if (who === 'kiln') expect(made.stderr).not.toMatch(/before-|-after|YmVmb3JlL/);
        const refused = await build('--secret', 'id=large,src=too-large');
        expect(refused.code, who).not.toBe(0);
        expect(refused.stderr, who).toMatch(/too big\. max size 500Ki?B/);
        return await readFile(join(dirs[who], 'out/sums'), 'utf8');
      }),
    );
    expect(sums[0]).toBe(sums[1]);
    for (const bytes of [large, short]) expect(sums[0]).toContain(createHash('sha256').update(bytes).digest('hex'));
  });

  test('steps get the network that docker buildx build gives them, and privileges only where the operator grants them', async () => {
    const { dirs, kiln, buildx } = await both(pool(), {
      Dockerfile: `FROM ${DEBIAN}\nRUN tail -n +3 /proc/net/dev | cut -d: -f1 | sort > /links\nFROM scratch\nCOPY --from=0 /links /\n`,
    });
    const linksOf = (dir: string) => readFile(join(dir, 'out/links'), 'utf8');
    for (const mode of ['none', 'host']) {
      const flags = [
        '--no-cache',
        '-o',
        'out',
        '--network',
        mode,
        ...(mode === 'host' ? ['--allow', 'network.host'] : []),
      ];
      for (const made of await Promise.all([buildx(...flags), kiln(...flags)])) expect(made).toMatchObject({ code: 0 });
      expect(await linksOf(dirs.kiln), mode).toContain('lo');
      // Other tests have links on this machine, too, but only its own network has its bridge.
      const isHost = async (dir: string) => (await linksOf(dir)).includes('docker0');
      expect([await isHost(dirs.kiln), await isHost(dirs.buildx)]).toEqual([mode === 'host', mode === 'host']);
    }
    const refused = await kiln('--allow', 'security.insecure');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'got security.insecure, expected network.host: the operator of a host grants them with KILN_ENTITLEMENTS',
    );
    for (const made of await Promise.all([kiln('--network', 'mine'), buildx('--network', 'mine')])) {
      expect(made.code).not.toBe(0);
      expect(made.stderr).toContain('network mode "mine" not supported by buildkit');
    }
  });

  test.each([
    ['--output type=local,dest=-', 'dest cannot be stdout for local exporter'],
    ['--output type=oci,tar=false', 'dest is required for oci exporter'],
    ['--output - --output type=oci', 'multiple outputs configured to write to stdout'],
    ['--output type=oci,dest=x,compression=none-such', 'unsupported compression type none-such'],
  ])('%s fails with the words of docker buildx build', async (flags, message) => {
    const { kiln, buildx } = await both(pool(), CONTEXT);
    for (const made of await Promise.all([kiln(...flags.split(' ')), buildx(...flags.split(' '))])) {
      expect(made.code).not.toBe(0);
      expect(made.stderr).toContain(message);
    }
  });
}
