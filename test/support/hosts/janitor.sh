#!/bin/sh
# Removes a lab of test hosts as soon as stdin ends: because the owner closed it, or because the owner ended, in whatever way.
#   janitor.sh NUMBER DIR
# Exits with 0 if nothing is left; otherwise lists what is left on stderr.
set -u
number=$1
dir=$2
bridge=kilnlab$number
# A signal that ends the owner must not end the janitor.
trap '' HUP INT TERM PIPE
# `read` would be interrupted by a signal.
cat >/dev/null

left=
for namespace in $(ip netns list | sed -n "s/^\($bridge-[^ ]*\).*/\1/p"); do
  tries=0
  # When the first process of a host ends, so do all others, including those in namespaces of their own.
  while pids=$(ip netns pids "$namespace") && [ -n "$pids" ]; do
    tries=$((tries + 1))
    [ $tries -le 200 ] || { left="$left processes $pids;"; break; }
    # shellcheck disable=SC2086
    kill -s KILL $pids 2>/dev/null
    sleep 0.05
  done
  ip netns del "$namespace" || left="$left network namespace $namespace;"
done
subnet=10.99.$number.0/24
while iptables -w 10 -t nat -D POSTROUTING -s "$subnet" ! -o "$bridge" -j MASQUERADE 2>/dev/null; do :; done
while iptables -w 10 -D FORWARD -i "$bridge" -j ACCEPT 2>/dev/null; do :; done
while iptables -w 10 -D FORWARD -o "$bridge" -j ACCEPT 2>/dev/null; do :; done
rm -rf "$dir" || left="$left $dir;"
# Last, because the bridge's name reserves the number.
ip link del "$bridge" || left="$left bridge $bridge;"
[ -z "$left" ] || { echo "left behind:$left" >&2; exit 1; }
