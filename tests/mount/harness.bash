# Sourced by every mount test. From ctest: CONCLAVE, the program; ROOT, a folder for this cluster and nothing else.
# A test that needs a cluster of its own calls own_cluster; the others find the shared one mounted at $M and $M2.
set -euo pipefail
shopt -s inherit_errexit

name=$(basename "$0" .bash)
export CONCLAVE_DIR=$ROOT/cluster CONCLAVE_HOME=$ROOT/home CONCLAVE_PASSPHRASE_FILE=$ROOT/passphrase
export LC_ALL=C.UTF-8 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset CONCLAVE_AS CONCLAVE_READY_FD
M=$ROOT/mnt
M2=$ROOT/mnt2
conclave() { "$CONCLAVE" "$@"; }

fail() { echo "$name: $*" >&2; exit 1; }
step() { echo "-- $*"; }
trap 'echo "$name: line $LINENO: $BASH_COMMAND ended with $?" >&2' ERR

# PATTERN COMMAND…: ends with exit code 1, says what PATTERN (grep -E) finds, and prints no stack.
refused() {
  local pattern=$1 output code=0
  shift
  output=$("$@" 2>&1) || code=$?
  [ $code -eq 1 ] || fail "\`$*\` ended with $code instead of 1: $output"
  grep -qE "$pattern" <<< "$output" || fail "\`$*\` did not say /$pattern/ but: $output"
  ! grep -qE 'Sanitizer|terminate called|\.cc:[0-9]+|CHECK' <<< "$output" || fail "\`$*\` printed a stack: $output"
}

# SECONDS COMMAND…: until the command succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "not in time: $*"
    sleep 0.1
  done
}

# LOCAL MOUNTED: the same names, types, modes, owners, sizes, times to the nanosecond, link targets, and bytes.
same() {
  local found
  found=$(diff <(listing "$1") <(listing "$2")) || fail "$1 and $2 differ in names or attributes: $(head -n 20 <<< "$found")"
  diff -r --no-dereference "$1" "$2" > /dev/null || fail "$1 and $2 differ in their bytes"
}
listing() {
  (cd "$1" && find . ! -type d -printf '%P %y %m %U:%G %T@ %s %n %l\n' -o -type d -printf '%P %y %m %U:%G %T@\n' | sort)
}

# ---- clusters --------------------------------------------------------------------------------------------------------

new_cluster() {
  if [ -e "$ROOT/cluster" ]; then  # left by a run that was killed
    conclave down --force > /dev/null 2>&1 || true
  fi
  rm -rf --one-file-system "$ROOT"
  mkdir -p "$ROOT"
  echo "correct horse battery staple" > "$CONCLAVE_PASSPHRASE_FILE"
}

pid_of() { awk '{print $1; exit}' "$CONCLAVE_DIR/run/$1.pid"; }
mount_pid() {  # of the mount at PATH
  local file
  file=$(grep -lxF "$1" "$CONCLAVE_DIR"/run/mount-*.pid) || fail "$1 is not registered"
  awk '{print $1; exit}' "$file"
}
servers() { (cd "$CONCLAVE_DIR/run" && ls | grep -v '^mount-' | sed -n 's/\.pid$//p'); }
processes() { ps -eo pid,args | awk -v dir="$CONCLAVE_DIR" 'index($0, dir) && $2 ~ /conclave$/'; }

# Nothing of the cluster is left: no mount, no process. The logs hold no warning, unless "warnings" are expected; that a
# server was slow is none here: a crowded machine alone makes it so.
nothing_left() {
  ! grep -F " $ROOT/" /proc/self/mountinfo || fail "a mount is left"
  local left
  left=$(processes)
  [ -z "$left" ] || fail "processes are left: $left"
  if grep -aE 'Sanitizer|runtime error:|CHECK|terminate called|assert' "$CONCLAVE_DIR"/log/*.log; then fail "a process failed"; fi
  if [ "${1:-}" != warnings ] &&
     grep -aE '"level":"(warning|error|critical)"' "$CONCLAVE_DIR"/log/*.log | grep -av 'did not answer in time'; then
    fail "the logs hold warnings"
  fi
}

sanitized() { grep -qaE '__(asan|tsan)_init' "$CONCLAVE"; }

# 256 MiB for the client and each server, the most they ever had. Sanitizers need more and are not measured.
memory_within_limit() {
  sanitized && return
  local pid peak
  for pid in $(processes | awk '{print $1}'); do
    peak=$(awk '/^VmHWM/ {print int($2 / 1024)}' "/proc/$pid/status")
    echo "peak memory: $(tr '\0' ' ' < "/proc/$pid/cmdline" | awk '{print $2}') $peak MiB"
    [ "$peak" -lt 256 ] || fail "process $pid used $peak MiB"
  done
}

# A cluster for this test alone; taken down whatever happens. $expect_warnings=warnings if the test breaks things.
own_cluster() {
  trap 'code=$?; [ $code -eq 0 ] || dump_logs; conclave down --force > /dev/null 2>&1 || true; exit $code' EXIT
  new_cluster
}
# The same in $home, where every user can go, as build/ may not; gone at the end, after what end_others (if there is one) ends.
own_cluster_for_all() {
  home=$(mktemp -d)
  chmod 755 "$home"
  cp "$CONCLAVE" "$home/conclave"
  CONCLAVE=$home/conclave ROOT=$home/root
  CONCLAVE_DIR=$ROOT/cluster CONCLAVE_HOME=$ROOT/home CONCLAVE_PASSPHRASE_FILE=$ROOT/passphrase M=$ROOT/mnt
  own_cluster
  trap 'code=$?; [ $code -eq 0 ] || dump_logs
    if declare -F end_others > /dev/null; then end_others; fi
    conclave down --force > /dev/null 2>&1 || true; rm -rf --one-file-system "$home"; exit $code' EXIT
}
file_servers_up() {  # NUMBER: so many answer
  conclave status --json | python3 -c "import json, sys; s = json.load(sys.stdin)
sys.exit(0 if sum(x['answers'] for x in s['servers'] if x['name'].startswith('fileserver')) == $1 else 1)"
}
finish_own_cluster() {
  conclave down
  nothing_left "${1:-}"
  rm -rf --one-file-system "$ROOT"
}
dump_logs() {
  local log
  for log in "$CONCLAVE_DIR"/log/*.log; do
    [ -s "$log" ] && { echo "== $log"; tail -n 15 "$log"; } >&2
  done
  return 0
}

# Two folders of this test's own: $here on the shared cluster's mount, $local on the local disk.
own_folders() {
  here=$M/$name
  local=$(mktemp -d "$ROOT/local.XXXXXX")
  rm -rf "$here"
  mkdir "$here"
  trap 'code=$?; cd /; rm -rf "$local"; [ $code -ne 0 ] || rm -rf "$here"; exit $code' EXIT
}
