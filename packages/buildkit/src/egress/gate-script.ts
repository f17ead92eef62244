/** Printed by the gate when the rules are in force. */
export const READY = 'kiln: egress rules are in force';

/** How long rules may be missing that something else has removed or preceded, in s. */
const CHECK_EVERY_SECONDS = 5;

/**
 * PID 1 of the gate's container. Fills Kiln's chains and puts them first for packets from the builders' bridge, again and again: engines and
 * firewalls that restart insert their rules before others, or remove all. Exits if that fails.
 * Reads `BRIDGE`, `CHAIN`, `OWN_CHAIN`, `RULES`, `RULES6` from the environment: see `packetRules` and `noIpv6`.
 */
export const GATE_SCRIPT = `set -eu
# Of the two kinds of iptables, the one that works with this kernel.
pick() {
  for kind in "$1" "$1-legacy"; do
    if "$kind" -w 5 -S INPUT >/dev/null 2>&1; then echo "$kind"; return; fi
  done
  "$1" -w 5 -S INPUT >/dev/null
}
# Before the first rule that isn't Kiln's, of this pool or another.
first() {
  if "$1" -w 5 -S "$2" | grep '^-A' | sed '/-j KILN-/!q' | grep -qxF -e "-A $2 -i $BRIDGE -j $3"; then return; fi
  while "$1" -w 5 -D "$2" -i "$BRIDGE" -j "$3" 2>/dev/null; do :; done
  "$1" -w 5 -I "$2" 1 -i "$BRIDGE" -j "$3"
}
keep() {
  printf '%s' "$2" | "$1-restore" -w 5 --noflush
  first "$1" FORWARD "$CHAIN"
  first "$1" INPUT "$OWN_CHAIN"
}
tables=$(pick iptables)
tables6=
# A machine without IPv6 has no such file.
if [ -e /proc/net/if_inet6 ]; then tables6=$(pick ip6tables); fi
while :; do
  if [ ! -e /run/cleared ]; then
    keep "$tables" "$RULES"
    if [ -n "$tables6" ]; then keep "$tables6" "$RULES6"; fi
  fi
  if [ -z "\${told-}" ]; then echo '${READY}'; told=1; fi
  sleep ${CHECK_EVERY_SECONDS}
done
`;

/** Removes the rules, and keeps PID 1 from setting them again. */
export const CLEAR_SCRIPT = `touch /run/cleared
for tables in iptables iptables-legacy ip6tables ip6tables-legacy; do
  "$tables" -w 5 -D FORWARD -i "$BRIDGE" -j "$CHAIN"
  "$tables" -w 5 -D INPUT -i "$BRIDGE" -j "$OWN_CHAIN"
  for chain in "$CHAIN" "$OWN_CHAIN"; do "$tables" -w 5 -F "$chain"; "$tables" -w 5 -X "$chain"; done
done 2>/dev/null
true
`;
