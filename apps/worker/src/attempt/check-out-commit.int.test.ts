import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContextSource } from '@kiln/buildkit';
import { begin, FROM, lab } from '@kiln/buildkit/testing';
import { GitServer } from '@kiln/git/testing';
import { allowedHosts, createLogger, OutgoingGuard } from '@kiln/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkOutCommit } from './check-out-commit.ts';
import { GitMirrors } from './git-mirrors.ts';

const LIST = "find . -printf '%y %m %U:%G %s %l %p\\n' | sort; find . -type f -exec sha256sum {} + | sort";
const BEGIN = 'the files:';
const DOCKERFILE = `${FROM}\nCOPY . /c\nRUN cd /c && echo ${BEGIN} && ${LIST}\n`;

type Lab = Awaited<ReturnType<typeof lab>>;
type GitContext = Extract<ContextSource, { type: 'git' }>;

let server: GitServer;
let dir: string;
let own: Lab;
let mirrors: GitMirrors;
beforeAll(async () => {
  server = await GitServer.start();
  dir = await mkdtemp(join(tmpdir(), 'kiln-mirrors-'));
  own = await lab();
  const guard = new OutgoingGuard(allowedHosts.parse('loopback'));
  const log = createLogger({ app: 'test', level: 'silent' });
  mirrors = new GitMirrors({ dir, budgetBytes: 1e9 }, { guard, log, now: Date.now });
});
afterAll(async () => {
  await own[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

/** Builds a commit; `byKiln`: from this host's mirror. Returns what the steps printed, and the notes of the log. */
async function build(commit: string, byKiln: boolean, spec: object = {}): Promise<{ output: string; notes: string[] }> {
  const source: GitContext = { type: 'git', url: server.url(), commit };
  const place = { url: server.url(), commit, authorization: undefined, dockerfile: 'Dockerfile' };
  const checkOut: GitContext['checkOut'] = (domain, signal) => checkOutCommit(mirrors, domain, place, signal);
  const run = begin(own.builder, {
    source: byKiln ? { ...source, checkOut } : source,
    repo: `git-${byKiln}`,
    spec: { noCache: true, ...spec },
  });
  const outcome = await run.outcome;
  expect(outcome, run.output()).toMatchObject({ end: 'succeeded' });
  const notes = run.records.flatMap((record) => (record.type === 'note' ? [record.message] : []));
  // BuildKit's own git prints, too.
  const output = run.output().slice(run.output().indexOf(BEGIN));
  return { output, notes };
}

const FILES = {
  Dockerfile: DOCKERFILE,
  '.dockerignore': 'ignored\n',
  ignored: 'is in the context all the same',
  '.gitattributes': '*.crlf eol=crlf\nid ident\n',
  'd/a.crlf': 'a\nb\n',
  id: '$Id$\n',
  'd/up': { link: '../Dockerfile' },
  out: { link: '/etc/passwd' },
  'ünicode/ä': 'x',
};

test('puts the same files into the image as BuildKit’s own checkout', async () => {
  server.commitRaw('M 100755 inline run\ndata 2\nsh\nM 100644 inline "odd\\nname"\ndata 1\nx\n');
  const first = server.commit(FILES);
  const [kiln, buildkit] = [await build(first, true), await build(first, false)];
  expect(kiln.output).toBe(buildkit.output);
  expect(kiln.output).toContain('f 755 0:0 2  ./run');
  expect(kiln.output).toContain('./ignored');
  const second = server.commit({
    '.gitattributes': '*.crlf eol=lf\n',
    'd/up': 'now a file',
    out: null,
    'out/f': 'now below',
  });
  const [next, reference] = [await build(second, true), await build(second, false)];
  expect(next.output).toBe(reference.output);
  expect(next.output).not.toBe(kiln.output);
  expect(next.notes).toEqual([]);
});

test('leaves a commit to BuildKit if its .git directory is asked for, and says so', async () => {
  const commit = server.commit({ Dockerfile: `${FROM}\nCOPY . /c\nRUN echo ${BEGIN} && ls -a /c\n` });
  const keep = { buildArgs: { BUILDKIT_CONTEXT_KEEP_GIT_DIR: '1' } };
  const { output, notes } = await build(commit, true, keep);
  expect(output).toContain('.git\n');
  expect(notes).toEqual([
    'BuildKit checks the commit out itself, as a whole: the build argument BUILDKIT_CONTEXT_KEEP_GIT_DIR is set',
  ]);
});
