# README.md's tour, as it is written there.
. "$(dirname "$0")/harness.bash"
rm -rf "$ROOT" && mkdir -p "$ROOT"
TMPDIR=$ROOT "$SOURCE/scripts/tour"
! grep -F " $ROOT/" /proc/self/mountinfo || fail "a mount is left"
! ps -eo args | grep -F "$ROOT/" | grep -v grep || fail "a process is left"
rm -rf "$ROOT"
