#!/bin/sh
# Takes a lab of test hosts down as soon as its stdin ends: at its owner's wish, or because its owner is gone, however it went.
#   janitor.sh NUMBER DIR
# Exit code 0 where nothing is left, else what is left on stderr.
set -u
number=$1
dir=$2
bridge=kilnlab$number
# What ends its owner is not to end it too.
trap '' HUP INT TERM PIPE
# Not `read`, which a signal may end.
cat >/dev/null

left=
for namespace in $(ip netns list | sed -n "s/^\($bridge-[^ ]*\).*/\1/p"); do
  tries=0
  # The first process of a host takes all others with it, those in namespaces of their own too.
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
# Last, because the bridge's name is what keeps the number taken.
ip link del "$bridge" || left="$left bridge $bridge;"
[ -z "$left" ] || { echo "left behind:$left" >&2; exit 1; }
