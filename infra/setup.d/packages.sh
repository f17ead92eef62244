# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# Packages of the system's package manager.

# Asks the plugin itself, because the client may come with an older plugin. Goes by version, because 0.13 supports
# --progress=rawjson but does not mention it in its help. "github.com/docker/buildx v0.13.1 1234abc"; Debian omits the v.
buildx_is_good() {
  local version
  have docker || return 1
  version=$(docker buildx version 2>/dev/null) || return 1
  version=$(cut -d ' ' -f 2 <<<"$version")
  version_at_least "${version#v}" "$BUILDX_MINIMUM"
}

compose_is_good() {
  local version
  have docker || return 1
  version=$(docker compose version --short 2>/dev/null) || return 1
  version_at_least "${version#v}" "$COMPOSE_MINIMUM"
}

plan_packages() {
  local apt="apt-get install"
  if ! engine_answers; then
    have dockerd || need docker.io apt "Docker Engine (dockerd)" "running builds" "$apt docker.io"
    have iptables || need iptables apt "iptables" "the engine's network" "$apt iptables"
  fi
  have docker || need docker-cli apt "the docker client" "talking to the engine" "$apt docker-cli"
  buildx_is_good || need docker-buildx apt "buildx $BUILDX_MINIMUM or later" "builds with machine-readable progress" "$apt docker-buildx"
  compose_is_good || need docker-compose apt "Docker Compose $COMPOSE_MINIMUM or later" "the pool of infra/compose.yaml" "$apt docker-compose"
  have redis-server || need redis-server apt "redis-server" "Kiln's state" "$apt redis-server"
  have docker-registry || need docker-registry apt "docker-registry" "tests that push and pull" "$apt docker-registry"
  have moto_server || need python3-moto apt "moto_server" "tests with an S3 store" "$apt python3-moto python3-flask-cors (Debian 13 or later)"
  have prometheus || need prometheus apt "prometheus" "tests of metrics and alerts" "$apt prometheus"
  have git || need git apt "git" "builds from git" "$apt git"
  have ip || need iproute2 apt "ip" "tests over several hosts on one machine" "$apt iproute2"
  have systemd-analyze || need systemd apt "systemd-analyze" "checking the worker's unit" "$apt systemd"
  if [[ $with_browser == yes ]]; then
    have chromium || need chromium apt "chromium" "browser tests" "$apt chromium"
  fi
  # mmdebstrap makes stand-ins, which only root can do. Other users need an image registry.
  if is_root && is_debian_like && ! have mmdebstrap && ! images_are_there; then
    need mmdebstrap apt "mmdebstrap" "making base images where no image registry answers" "$apt mmdebstrap"
  fi
}

apt_dir=/etc/apt
apt_packages=(docker.io iptables docker-cli docker-buildx docker-compose redis-server docker-registry python3-moto prometheus git iproute2 systemd chromium mmdebstrap)

apt_quietly() {
  local log
  log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Docker's own packages and Ubuntu's have other names for Compose 2; docker-compose of Ubuntu is Compose 1.
compose_package() {
  local package
  for package in docker-compose-plugin docker-compose-v2; do
    [[ -z $(apt_candidate "$package") ]] || {
      echo "$package"
      return
    }
  done
  echo docker-compose
}

# Prints the version that apt would install; nothing if there is none.
apt_candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -v '^(none)$' || true; }

# Prints the first stanza of this machine's apt sources that serves its release, as a .sources stanza for another release.
# So the mirror is the one that the machine uses.
source_for_release() {
  local release=$1 codename file
  codename=$(os_field VERSION_CODENAME)
  for file in "$apt_dir"/sources.list.d/*.sources; do
    [[ -e $file ]] || continue
    awk -v codename="$codename" -v release="$release" '
      function flush() { if (found) { printf "%s", stanza; done = 1 } stanza = ""; found = 0 }
      done { next }
      /^[[:space:]]*$/ { flush(); next }
      /^#/ { next }
      tolower($1) == "suites:" { for (i = 2; i <= NF; i++) if ($i == codename) found = 1; stanza = stanza "Suites: " release "\n"; next }
      { stanza = stanza $0 "\n" }
      END { if (!done) flush() }
    ' "$file" | grep . && return 0
  done
  for file in "$apt_dir/sources.list" "$apt_dir"/sources.list.d/*.list; do
    [[ -e $file ]] || continue
    awk -v codename="$codename" -v release="$release" '
      $1 == "deb" {
        options = ""; at = 2
        if ($2 ~ /^\[/) { while (at <= NF) { options = options " " $at; if ($at ~ /\]$/) { at++; break } at++ } }
        if ($(at + 1) != codename) next
        components = $(at + 2)
        for (i = at + 3; i <= NF; i++) components = components " " $i
        printf "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n", $at, release, components
        if (match(options, /signed-by=[^] ]+/)) printf "Signed-By: %s\n", substr(options, RSTART + 10, RLENGTH - 10)
        exit
      }
    ' "$file" | grep . && return 0
  done
  return 1
}

# Adds a newer release of Debian as a package source. Pinned at 100, it is used only for packages requested from it by name.
add_release() {
  local release=$1 sources=/etc/apt/sources.list.d/kiln-$1.sources
  if [[ ! -e $sources ]]; then
    say "adding Debian $release as a package source (pinned at 100: used only for what $(os_field VERSION_CODENAME) lacks) …"
    printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' "$release" >"/etc/apt/preferences.d/kiln-$release"
    source_for_release "$release" >"$sources.new" || {
      rm -f "$sources.new" "/etc/apt/preferences.d/kiln-$release"
      fail "/etc/apt has no package source for $(os_field VERSION_CODENAME) whose mirror could be used for Debian $release"
    }
    mv "$sources.new" "$sources"
  fi
  apt_quietly update -o Dir::Etc::SourceList="$sources" -o Dir::Etc::SourceParts=/dev/null -o APT::Get::List-Cleanup=0 ||
    fail "could not read Debian $release's package lists"
}

# Runs a command while packages may not start services on installation: Kiln starts its own Redis and registry, with its
# own ports and data. A policy that the machine already has is kept.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e $policy ]]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  "$@" || status=$?
  rm -f "$policy"
  trap - EXIT
  return "$status"
}

provide_packages() {
  local package release='' wanted=() line
  for package in "${apt_packages[@]}"; do planned "$package" && wanted+=("$package"); done
  ((${#wanted[@]})) || return 0

  say "reading the package lists …"
  apt_quietly update || say "some package lists could not be read; continuing with the others"
  if planned docker.io || planned docker-cli || planned docker-buildx || planned docker-compose; then
    if ! version_at_least "$(apt_candidate docker-buildx)" "$BUILDX_MINIMUM"; then
      [[ $(os_field VERSION_CODENAME) == bookworm ]] ||
        fail "$(os_field PRETTY_NAME) has no buildx $BUILDX_MINIMUM or later; install Docker Engine and buildx, then run infra/setup again"
      release=trixie
      add_release "$release"
    fi
  fi
  # Debian has had it since trixie. It gets what it depends on from this release.
  if planned python3-moto && [[ -z $(apt_candidate python3-moto) && $(os_field VERSION_CODENAME) == bookworm ]]; then
    add_release trixie
  fi

  local targets=()
  for package in "${wanted[@]}"; do
    case $package in
      # On Ubuntu the client is part of docker.io.
      docker-cli) if [[ -n $release || -n $(apt_candidate docker-cli) ]]; then targets+=("docker-cli${release:+/$release}"); else targets+=(docker.io); fi ;;
      docker-compose) targets+=("$(compose_package)${release:+/$release}") ;;
      # Debian's package only recommends what its server needs.
      python3-moto) targets+=(python3-moto python3-flask-cors) ;;
      docker.io | docker-buildx) targets+=("$package${release:+/$release}") ;;
      *) targets+=("$package") ;;
    esac
  done
  # "Inst docker-buildx (0.13.1+ds1-3 Debian:13.1/stable [amd64])"
  while read -r line; do say "installing $line …"; done < <(
    apt-get -s --no-install-recommends install "${targets[@]}" 2>/dev/null </dev/null |
      awk -v wanted=" ${wanted[*]} " '$1 == "Inst" && index(wanted, " " $2 " ") { version = $3 ~ /^\[/ ? $4 : $3; from = $3 ~ /^\[/ ? $5 : $4; sub(/^\(/, "", version); sub(/[,)].*/, "", from); sub(/:/, " ", from); print $2, version, "(" from ")" }'
  )
  without_starting_services apt_quietly --no-install-recommends install "${targets[@]}" || fail "apt-get could not install ${targets[*]}"
  if [[ -d $run_dir/systemd/system ]]; then
    for package in redis-server docker-registry; do
      if planned "$package"; then systemctl disable --quiet "$package" || true; fi
    done
  fi
  hash -r
  planned docker-buildx && ! buildx_is_good && fail "docker buildx was installed, but does not support --progress=rawjson: $(docker buildx version 2>&1 | head -n 1)"
  return 0
}
