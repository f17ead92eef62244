import { CACHE_MODES } from '@kiln/domain';
import { z } from 'zod';
import { instant, teamName } from './fields.ts';

const team = teamName.optional().meta({ description: 'Default: the credential’s own team, else `default`.' });
const repo = z.string().regex(/^[^\s\p{Cc}]{1,512}$/u, 'a repository such as github.com/acme/app, or its URL');
const mode = z.enum(CACHE_MODES);

/** Query of `GET /v1/caches/modes`. */
export const modeQuery = z.strictObject({
  team,
  repo: repo.optional().meta({ description: 'Only that of this repo.' }),
});

/** Body of `PUT /v1/caches/modes`. */
export const modeOrder = z
  .strictObject({
    team,
    repo: repo.meta({
      description:
        'The repo’s builds with any subdirectory and Dockerfile. With `//SUBDIR` and `:DOCKERFILE`, as in the repo of a build, only those; this takes precedence.',
    }),
    mode: mode
      .nullable()
      .meta({ description: 'Cache mode of builds whose request names no `cache`; null removes it.' }),
  })
  .meta({ id: 'CacheModeOrder' });
export type CacheModeOrder = z.input<typeof modeOrder>;

export const modeDefault = z
  .strictObject({
    team: z.string(),
    repo: z.string(),
    mode: mode.optional().meta({ description: 'Absent if none is set: then `warm` is the default.' }),
    setAt: instant.optional(),
    setBy: z.string().optional().meta({ description: 'Name of the person or token that set it.' }),
  })
  .meta({ id: 'CacheModeDefault' });
export type ModeDefaultView = z.output<typeof modeDefault>;

export const modeList = z
  .strictObject({ modes: z.array(modeDefault).meta({ description: 'Sorted by repo.' }) })
  .meta({ id: 'CacheModeList' });
