# The cluster that the tests of this folder share: two mounts of it.
. "$(dirname "$0")/harness.bash"
new_cluster
conclave up --mount "$M"
conclave mount "$M2"
[ -n "$(ls -A "$M")" ] || [ -d "$M" ] || fail "the mount does not answer"
conclave status
conclave up | grep -q 'is up' || fail "up is not idempotent"
