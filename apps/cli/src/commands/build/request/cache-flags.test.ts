import { buildRequest } from '@kiln/contracts';
import { expect, it } from 'vitest';
import { parseFlags } from '../../../framework/flags.ts';
import { DOCKER_FLAGS, KILN_FLAGS } from './build-flags.ts';
import { cacheOf, cacheWarnings } from './cache-flags.ts';

const flagsOf = (...args: string[]) => parseFlags(args, { ...DOCKER_FLAGS, ...KILN_FLAGS }).flags;
const read = (...args: string[]) => cacheOf(flagsOf(...args));

it.each([
  [[], undefined],
  [['--cache', 'fresh'], { mode: 'fresh' }],
  [['--cache=archive', '--cache-key', 'main'], { mode: 'archive', key: 'main' }],
  [['--cache-from', 'r.io/app:cache'], { from: [{ type: 'registry', ref: 'r.io/app:cache' }] }],
  [
    ['--cache-to', 'type=registry,ref=r.io/app:cache,mode=min'],
    { to: [{ type: 'registry', ref: 'r.io/app:cache', mode: 'min' }] },
  ],
  [
    ['--cache-to', 'type=registry,"ref=r.io/app",mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true'],
    { to: [{ type: 'registry', ref: 'r.io/app', mode: 'max' }] },
  ],
  [
    ['--cache', 'registry', '--cache-from', 'ref=a', '--cache-from', 'b', '--cache-to', 'type=gha'],
    {
      mode: 'registry',
      from: [
        { type: 'registry', ref: 'a' },
        { type: 'registry', ref: 'b' },
      ],
    },
  ],
  [['--cache-from', 'type=gha'], undefined],
  [
    ['--cache-to', 'type=s3,region=eu-1,bucket=b,name=app,prefix=p/,endpoint_url=http://s3:9000,use_path_style=true'],
    {
      to: [
        {
          ...{ type: 's3', region: 'eu-1', bucket: 'b', name: 'app', prefix: 'p/' },
          ...{ endpointUrl: 'http://s3:9000', usePathStyle: true },
        },
      ],
    },
  ],
])('reads %j', (args, expected) => {
  expect(read(...args)).toEqual(expected);
  const cache = expected === undefined ? {} : { cache: read(...args) };
  const request = { source: { type: 'upload', name: 'app' }, tags: ['r.io/app:1'], ...cache };
  expect(buildRequest.safeParse(request).success).toBe(true);
});

it.each([
  [['--cache', 'hot'], '--cache: got "hot", expected warm, registry, archive, fresh'],
  [['--cache-key', 'x'], '--cache-key requires --cache archive'],
  [['--cache', 'fresh', '--cache-from', 'r.io/a'], '--cache-from cannot be combined with --cache fresh'],
  [
    ['--cache-to', 'type=local,dest=x'],
    '--cache-to: got "type=local,dest=x", expected type=registry,ref=NAME:TAG or type=s3',
  ],
  [['--cache-to', 'type=local,dest=x'], 'use --cache archive'],
  [['--cache-to', 'type=inline'], '--cache-to: got "type=inline", expected type=registry,ref=NAME:TAG'],
  [['--cache-to', 'type=azblob,name=x'], '--cache-to: got "type=azblob,name=x", expected type=registry,ref=NAME:TAG'],
  [['--cache-from', 'r.io/App'], '--cache-from r.io/App: ref: got "r.io/App", expected an image reference'],
  [['--cache-from', 'type=registry'], '--cache-from type=registry: ref: got "", expected an image reference'],
  [['--cache-from', 'a@sha256:1'], 'ref: got "a@sha256:1", expected an image reference'],
  [['--cache-to', 'type=registry,ref=a,mode=all'], 'mode: got "all", expected min or max'],
  [
    ['--cache-to', 'type=registry,ref=a,compression=zstd'],
    'compression: got "zstd", expected no such attribute; type=registry has ref, mode',
  ],
  [['--cache-from', 'ref=a,compression=zstd'], 'expected no such attribute; type=registry has ref'],
  [['--cache-to', 'type=s3,region=r'], '--cache-to type=s3,region=r: bucket: got "", expected the name of a bucket'],
  [
    ['--cache-to', 'type=s3,bucket=b,region=r,use_path_style=maybe'],
    'use_path_style: got "maybe", expected true or false',
  ],
  [
    ['--cache-to', 'type=s3,bucket=b,region=r,secret_access_key=x'],
    '--cache-to: secret_access_key= is not supported, because it would be shown; use --secret id=AWS_SECRET_ACCESS_KEY',
  ],
])('refuses %j, naming the flag', (args, message) => {
  expect(() => read(...args)).toThrow(message);
});

it('says in one line why type=gha isn’t needed, and takes it out', () => {
  const flags = flagsOf('--cache-from', 'type=gha', '--cache-to=type=gha,mode=max');
  expect(cacheWarnings(flags)).toEqual([
    '--cache-from type=gha is ignored: Kiln’s hosts keep the caches, so there is no need for those of GitHub Actions',
    '--cache-to type=gha is ignored: Kiln’s hosts keep the caches, so there is no need for those of GitHub Actions',
  ]);
  expect(cacheWarnings(flagsOf('--cache-from', 'r.io/a'))).toEqual([]);
});
