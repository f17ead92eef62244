/** What builds may reach, where that isn't whatever the host reaches. */
export type Egress =
  /** Public IPv4 addresses, and what is named, for all that a build does: packets to others don't leave the builder's network. */
  | {
      readonly mode: 'guarded';
      /** Networks, or single addresses, in CIDR notation. */
      readonly allowed: readonly string[];
      /** Where clouds answer machines with credentials: only an address that is allowed by itself opens one. */
      readonly metadata: readonly string[];
    }
  /** BuildKit itself fetches (FROM, ADD, git) from these hosts and from the build's own git server only. RUN steps aren't held. */
  | { readonly mode: 'listed'; readonly hosts: readonly string[] };

/** What was asked for can't be had here: the builder isn't brought up. */
export class EgressUnenforceable extends Error {
  readonly code = 'egress_unenforceable';
  constructor(why: string) {
    super(`KILN_BUILD_EGRESS can’t be kept on this host: ${why}`);
  }
}
