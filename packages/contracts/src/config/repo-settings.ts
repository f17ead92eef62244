import { CACHE_MODES } from '@kiln/domain';
import { z } from 'zod';
import { buildRequest } from '../http/build-request.ts';
import { gitUrl, relativePath } from '../http/fields.ts';
import { globs } from './glob.ts';
import { kilnConfig } from './kiln-config.ts';

/** The server's settings for a connected repository. The file in the repository can't weaken them. */
export const repoSettings = z.strictObject({
  team: buildRequest.shape.team,
  configPath: relativePath.default('.kiln.yaml'),
  config: kilnConfig.optional().meta({ description: 'Used if the repository has no file at `configPath`.' }),
  forks: z
    .enum(['untrusted', 'ignore'])
    .default('untrusted')
    .meta({ description: '`ignore`: don’t build pull requests from forks, whatever the file says.' }),
  untrustedPush: globs.optional().meta({
    description:
      'Patterns of image names, such as registry.example.org/previews/**, that untrusted builds may push. Default: none.',
  }),
  cacheMode: z.enum(CACHE_MODES).optional().meta({
    description: 'Cache mode of images whose file names no `cache`. Default: `warm`.',
  }),
  cloneUrl: gitUrl
    .optional()
    .meta({ description: 'Replaces the forge’s clone URL, for example with an internal address.' }),
});
export type RepoSettings = z.output<typeof repoSettings>;
