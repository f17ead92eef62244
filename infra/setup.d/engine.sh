# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# A running Docker Engine. An engine that already answers is not changed.

engine_answers() { have docker && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

plan_engine() {
  engine_answers && return 0
  if [[ -n ${DOCKER_HOST:-} ]]; then
    need engine-elsewhere elsewhere "a Docker Engine at DOCKER_HOST ($DOCKER_HOST)" "running builds" "start that engine, or unset DOCKER_HOST"
  else
    need engine root "a running Docker Engine that this user may access" "running builds" "start dockerd as root, and add this user to the group docker"
  fi
}

# process_is PID NAME
process_is() { [[ -r /proc/$1/comm && $(<"/proc/$1/comm") == "$2" ]]; }

# After a reboot the old pid may belong to another process, and then the daemon refuses to start.
remove_stale_pid_file() {
  local file=$1 name=$2 pid
  [[ -s $file ]] || return 0
  pid=$(<"$file")
  process_is "$pid" "$name" && return 0
  say "removing $file: no $name runs as process $pid"
  rm -f "$file"
}

engine_failed() {
  {
    printf 'setup: dockerd %s. The end of %s:\n' "$1" "$2"
    tail -n 20 "$2" | sed 's/^/  | /'
  } >&2
  exit 1
}

provide_engine() {
  local log=$toolchain/dockerd.log pid arguments=() deadline
  planned engine || planned docker.io || return 0
  engine_answers && return 0

  remove_stale_pid_file "$run_dir/docker.pid" dockerd
  remove_stale_pid_file "$run_dir/docker/containerd/containerd.pid" containerd
  if [[ -s $run_dir/docker.pid ]]; then
    pid=$(<"$run_dir/docker.pid")
    say "waiting for the dockerd that is already starting (process $pid) …"
  elif [[ -d $run_dir/systemd/system ]]; then
    say "starting the engine's service …"
    systemctl start docker || fail "systemctl could not start docker; see: journalctl -u docker"
    pid=
  else
    say "starting dockerd (log: ${log#"$root"/}) …"
    [[ -e /etc/docker/daemon.json ]] || arguments=(--config-file "$infra/engine/daemon.json")
    # By default BuildKit clips a step's output at 2 MiB and 200 KiB/s, but a log must have no gap. Collecting garbage less
    # often takes 50 MB more memory, and a tenth to a quarter less CPU time per build. Descriptor 9 is the lock of this
    # script, which the daemon must not keep. It starts in /, because git fails in a directory that is removed later.
    (
      cd /
      export BUILDKIT_STEP_LOG_MAX_SIZE=-1 BUILDKIT_STEP_LOG_MAX_SPEED=-1 GOGC=400
      exec setsid dockerd ${arguments[@]+"${arguments[@]}"} </dev/null >>"$log" 2>&1 9>&-
    ) &
    pid=$!
  fi

  deadline=$((SECONDS + engine_wait_s))
  until engine_answers; do
    [[ -z $pid || -d /proc/$pid ]] || engine_failed "ended before it answered" "$log"
    ((SECONDS < deadline)) || engine_failed "did not answer within $engine_wait_s s" "$log"
    sleep 0.2
  done
}
