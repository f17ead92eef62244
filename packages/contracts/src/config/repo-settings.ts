import { z } from 'zod';
import { buildRequest } from '../http/build-request.ts';
import { gitUrl, relativePath } from '../http/fields.ts';
import { globs } from './glob.ts';
import { kilnConfig } from './kiln-config.ts';

/** What the server holds of a connected repository. The file in the repository can make none of it laxer. */
export const repoSettings = z.strictObject({
  team: buildRequest.shape.team,
  configPath: relativePath.default('.kiln.yaml'),
  config: kilnConfig.optional().meta({ description: 'Used where the repository has no file at `configPath`.' }),
  forks: z
    .enum(['untrusted', 'ignore'])
    .default('untrusted')
    .meta({ description: '`ignore`: no pull request from a fork is built, whatever the file says.' }),
  untrustedPush: globs.optional().meta({
    description:
      'Image names, such as registry.example.org/previews/**, that untrusted builds may push to. Default: none.',
  }),
  cloneUrl: gitUrl
    .optional()
    .meta({ description: 'Instead of the URL that the forge names, such as an inner address.' }),
});
export type RepoSettings = z.output<typeof repoSettings>;
