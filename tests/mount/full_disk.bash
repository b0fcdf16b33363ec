# A full disk under all servers: ENOSPC, what was synced is unharmed, and all is well again when there is room.
. "$(dirname "$0")/harness.bash"
own_cluster
trap 'code=$?; [ $code -eq 0 ] || dump_logs; cd /; conclave down --force > /dev/null 2>&1 || true
  umount "$ROOT/cluster" 2> /dev/null || true; exit $code' EXIT
mkdir "$ROOT/cluster"
mount -t tmpfs -o size=700m small "$ROOT/cluster"
conclave up --mount "$M"
head -c 5000000 /dev/urandom > "$ROOT/kept"
cp "$ROOT/kept" "$M/kept" && sync "$M/kept"

step "written until it is full"
code=0
dd if=/dev/zero of="$M/filler" bs=1M count=800 conv=fsync 2> "$ROOT/said" || code=$?
[ $code -ne 0 ] || fail "800 MiB fitted onto 700, twice"
grep -q 'No space left' "$ROOT/said" || fail "a full disk says: $(cat "$ROOT/said")"
cmp "$ROOT/kept" "$M/kept"
conclave status || true

step "with room again, it goes on"
rm "$M/filler"
# Removing needs no room of the user's, and the space comes back without a restart.
works() { cp "$ROOT/kept" "$M/again" && sync "$M/again" && cmp "$ROOT/kept" "$M/again"; }
eventually 60 works
cmp "$ROOT/kept" "$M/kept"

step "the cluster starts again on what it kept"
conclave down
conclave up --mount "$M"
cmp "$ROOT/kept" "$M/kept"
cmp "$ROOT/kept" "$M/again"
conclave down
umount "$ROOT/cluster"
! grep -F " $ROOT/" /proc/self/mountinfo || fail "a mount is left"
rm -rf --one-file-system "$ROOT"
