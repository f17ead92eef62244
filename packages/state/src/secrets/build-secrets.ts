import { chooseSecrets, type Failure, type SecretKind, type SecretWishes } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { readTogether } from '../redis/read-together.ts';
import { runScript } from '../redis/scripts.ts';
import { SecretsUnavailable } from './errors.ts';
import { SealBroken, type Sealer } from './sealer.ts';
import { bringsGitAuth, gitAuthSecret, type RegistryLogin, type SecretContent } from './secret-content.ts';
import { fieldOf, inOrder, openSecret, parseSecret, type StoredSecret } from './secret-store.ts';

export interface TeamSecretWishes extends SecretWishes {
  readonly team: string;
}

/** What a build gets of what is kept. */
export interface BuildSecrets {
  /** BuildKit's secrets by id: those that it names, and its git credentials. */
  readonly values: ReadonlyMap<string, string>;
  readonly logins: readonly RegistryLogin[];
  /** Beside these values and passwords: what no log may show, because the values hold it in another form. */
  readonly hidden: readonly string[];
  /** What it goes without though it is kept, each as a sentence. */
  readonly warnings: readonly string[];
}

type Chosen = ReturnType<typeof chooseSecrets<StoredSecret>>;
/** Contents by field, or why they don't open. */
type Opening = Map<string, SecretContent | SealBroken>;
interface Opened {
  readonly secret: StoredSecret;
  readonly content: SecretContent;
}

/** One note of a use holds for so long, ms. */
const USE_NOTED_MS = 60_000;
/** How often somebody may remove a secret while it is read. */
const MAX_READS = 20;

const WORDS: Readonly<Record<SecretKind, string>> = {
  build: 'the secret',
  registry: 'the registry login',
  git: 'the git token',
};

/** Opens what a build gets of its team's secrets. */
export class BuildSecretReader {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #sealer: Sealer;
  readonly #now: () => number;

  constructor(redis: Redis, keys: Keys, sealer: Sealer, now: () => number) {
    this.#redis = redis;
    this.#keys = keys;
    this.#sealer = sealer;
    this.#now = now;
  }

  /** What is named and can't be had, as things are now. Opens nothing. */
  async refusals(wishes: TeamSecretWishes): Promise<Chosen['refused']> {
    return wishes.named.length === 0 ? [] : chooseSecrets(await this.#all(wishes.team), wishes).refused;
  }

  /**
   * `ownIds`: ids of the secrets that the build brings itself.
   * @throws SecretsUnavailable where it names one that isn't there, isn't for it, or doesn't open
   */
  async read(wishes: TeamSecretWishes, ownIds: readonly string[] = []): Promise<BuildSecrets> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const chosen = chooseSecrets(await this.#all(wishes.team), wishes);
      const [refused] = chosen.refused;
      if (refused) throw new SecretsUnavailable(refusal(refused.ref.name, refused.why, wishes));
      const ids = new Set([...ownIds, ...chosen.named.map(({ ref }) => ref.id)]);
      const gitTokens = chosen.gitTokens.filter(({ name }) => !bringsGitAuth(ids, name));
      const opened = await this.#open(wishes, [
        ...chosen.named.map(({ secret }) => secret),
        ...chosen.logins,
        ...gitTokens,
      ]);
      if (opened) return await this.#gather(wishes, { ...chosen, gitTokens }, opened);
    }
    throw new Error(`secrets of team ${wishes.team} changed ${MAX_READS} times while they were read`);
  }

  async #all(team: string): Promise<StoredSecret[]> {
    const all = (await this.#redis.hvals(this.#keys.teamSecrets(team))).map((doc) => parseSecret(doc));
    return all.sort(inOrder);
  }

  /** By field; undefined where one has gone: it must be decided anew. */
  async #open({ team, trust }: TeamSecretWishes, secrets: readonly StoredSecret[]): Promise<Opening | undefined> {
    if (secrets.length === 0) return new Map();
    const fields = secrets.map(fieldOf);
    const [docs, values] = await readTogether<[(string | null)[], (string | null)[]]>(
      this.#redis,
      ['HMGET', this.#keys.teamSecrets(team), ...fields],
      ['HMGET', this.#keys.teamSecretValues(team), ...fields],
    );
    const opening: Opening = new Map();
    for (const [i, field] of fields.entries()) {
      const doc = docs[i];
      const secret = doc ? parseSecret(doc) : undefined;
      if (!secret) return undefined;
      // It may be another one by now than when it was chosen.
      if (trust === 'trusted' || secret.untrustedOk) opening.set(field, this.#tryOpen(secret, values[i] ?? ''));
    }
    return opening;
  }

  async #gather(wishes: TeamSecretWishes, chosen: Chosen, opening: Opening): Promise<BuildSecrets> {
    const values = new Map<string, string>();
    for (const { ref, secret } of chosen.named) {
      const content = opening.get(fieldOf(secret));
      if (!content) throw new SecretsUnavailable(refusal(ref.name, 'withheld', wishes));
      if (content instanceof SealBroken) throw new SecretsUnavailable(unreadable(secret, content));
      if (content.kind === 'build') values.set(ref.id, content.value);
    }
    const implied = [...chosen.logins, ...chosen.gitTokens].flatMap((secret) => {
      const content = opening.get(fieldOf(secret));
      return content ? [{ secret, content }] : [];
    });
    const usable = implied.filter((one): one is Opened => !(one.content instanceof SealBroken));
    const logins: RegistryLogin[] = [];
    const hidden: string[] = [];
    for (const { secret, content } of usable) {
      if (content.kind === 'registry') logins.push({ host: secret.name, ...loginOf(content) });
      if (content.kind !== 'git') continue;
      values.set(...gitAuthSecret(secret.name, content));
      hidden.push(content.token);
    }
    const warnings = implied.flatMap(({ secret, content }) =>
      content instanceof SealBroken ? [`${unreadable(secret, content).message}; the build goes without`] : [],
    );
    await this.#noteUse(wishes.team, [...chosen.named, ...usable]);
    return { values, logins, hidden, warnings };
  }

  #tryOpen(secret: StoredSecret, sealed: string): SecretContent | SealBroken {
    try {
      return openSecret(this.#sealer, secret, sealed);
    } catch (error) {
      if (error instanceof SealBroken) return error;
      throw error;
    }
  }

  async #noteUse(team: string, used: readonly { readonly secret: StoredSecret }[]): Promise<void> {
    if (used.length === 0) return;
    await runScript(
      this.#redis,
      'use-secrets',
      [this.#keys.teamSecrets(team), this.#keys.teamSecretUses(team)],
      [this.#now(), USE_NOTED_MS, ...used.map(({ secret }) => fieldOf(secret))],
    );
  }
}

function loginOf({ username, password }: Extract<SecretContent, { kind: 'registry' }>) {
  return { username, password };
}

function refusal(name: string, why: 'missing' | 'withheld', { team, repo }: TeamSecretWishes): Failure {
  return why === 'missing'
    ? { code: 'secret_missing', message: `neither repo ${repo} nor team ${team} has a secret ${name}` }
    : {
        code: 'secret_withheld',
        message: `the build is untrusted, and the secret ${name} is not for untrusted builds`,
      };
}

function unreadable({ kind, name, team, repo }: StoredSecret, broken: SealBroken): Failure {
  const whose = repo === undefined ? `team ${team}` : `repo ${repo} of team ${team}`;
  return {
    code: 'secret_unreadable',
    message: `${WORDS[kind]} ${name} of ${whose} can’t be opened on this host: ${broken.message}`,
  };
}
