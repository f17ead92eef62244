import type { WebhookMergeRequestEventSchema, WebhookPushEventSchema } from '@gitbeaker/core';
import type { webhooks } from '@octokit/openapi-webhooks-types';
import type { PullRequest } from 'gitea-js';
import { expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type * as gitea from '../gitea/payloads.ts';
import type * as github from '../github/payloads.ts';
import type * as gitlab from '../gitlab/payloads.ts';

/** The body that GitHub's own description gives for an event. */
type GithubBody<K extends keyof webhooks> = webhooks[K]['post']['requestBody']['content']['application/json'];

// The compiler checks these: a field that was renamed, or that may be missing although Kiln relies on it, is a type error here.

test('the schemas of GitHub’s payloads accept what GitHub’s OpenAPI description specifies', () => {
  expectTypeOf<GithubBody<'push'>>().toExtend<z.input<typeof github.push>>();
  expectTypeOf<GithubBody<'pull-request-synchronize'>>().toExtend<z.input<typeof github.pullRequest>>();
  expectTypeOf<GithubBody<'check-run-rerequested'>>().toExtend<z.input<typeof github.checkRun>>();
  expectTypeOf<GithubBody<'check-suite-rerequested'>>().toExtend<z.input<typeof github.checkSuite>>();
});

test('the schemas of GitLab’s payloads accept what its client library specifies', () => {
  expectTypeOf<WebhookPushEventSchema>().toExtend<z.input<typeof gitlab.push>>();
  expectTypeOf<WebhookMergeRequestEventSchema>().toExtend<z.input<typeof gitlab.mergeRequest>>();
});

test('the schema of Gitea’s pull requests reads only fields that its API has', () => {
  type Read = keyof z.input<typeof gitea.pullRequest>['pull_request'];
  expectTypeOf<Read>().toExtend<keyof PullRequest>();
});
