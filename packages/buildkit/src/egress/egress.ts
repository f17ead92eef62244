/** Restricts what builds may reach. */
export type Egress =
  /** Builds reach public IPv4 addresses and the allowed networks. Packets to other addresses don't leave the builder's network. */
  | {
      readonly mode: 'guarded';
      /** Networks or single addresses, in CIDR notation. */
      readonly allowed: readonly string[];
      /** Addresses of cloud metadata services: reachable only if the single address is allowed, not by a network. */
      readonly metadata: readonly string[];
    }
  /** BuildKit itself (FROM, ADD, git) fetches only from these hosts and from the build's own git server. RUN steps aren't restricted. */
  | { readonly mode: 'listed'; readonly hosts: readonly string[] };

/** The egress rules can't be enforced here. */
export class EgressUnenforceable extends Error {
  readonly code = 'egress_unenforceable';
  constructor(why: string) {
    super(`KILN_BUILD_EGRESS can’t be enforced on this host: ${why}`);
  }
}
