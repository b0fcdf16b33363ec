# A full disk under all servers, to its last block: each change is refused and says why, what was synced is unharmed, and all
# is well again when there is room.
. "$(dirname "$0")/harness.bash"
own_cluster
trap 'code=$?; [ $code -eq 0 ] || dump_logs; cd /; conclave down --force > /dev/null 2>&1 || true
  umount "$ROOT/cluster" 2> /dev/null || true; exit $code' EXIT
mkdir "$ROOT/cluster"
mount -t tmpfs -o size=700m small "$ROOT/cluster"
conclave up --mount "$M"
for person in alice bob; do conclave account create $person; done
conclave policy set /secrets/team --approvers alice,bob --quorum 1
conclave login alice
echo -n before > "$M/secrets/team/old"
head -c 5000000 /dev/urandom > "$ROOT/kept"
cp "$ROOT/kept" "$M/kept" && sync "$M/kept"
mkdir "$M/folder0"

# What a reader of the secret is given, with bob's vote.
opened() {
  local reader id
  cat "$1" > "$ROOT/opened" 2> "$ROOT/why" & reader=$!
  eventually 20 asked
  id=$(conclave requests --as bob --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p')
  conclave approve "$id" --as bob > /dev/null
  wait $reader || fail "$1: $(cat "$ROOT/why")"
  cat "$ROOT/opened"
}
asked() { conclave requests --as bob --json | grep '"id"'; }
all_up() { conclave status --json | grep -q '"healthy": true'; }

step "written until it is full"
code=0
dd if=/dev/zero of="$M/filler" bs=1M count=800 conv=fsync 2> "$ROOT/said" || code=$?
[ $code -ne 0 ] || fail "800 MiB fitted onto 700, twice"
grep -q 'No space left' "$ROOT/said" || fail "a full disk says: $(cat "$ROOT/said")"
cmp "$ROOT/kept" "$M/kept"
all_up || fail "a full disk ended a server"
dd if=/dev/zero of="$ROOT/cluster/ballast2" bs=512 2> /dev/null || true   # what was removed meanwhile
refused 'No space left' conclave mount "$M2"
! grep -F " $M2 " /proc/self/mountinfo || fail "a refused mount is mounted"

step "filled to its last block: each is told, with the reason"
dd if=/dev/zero of="$ROOT/cluster/ballast" bs=4k 2> /dev/null || true
[ "$(df --output=avail "$ROOT/cluster" | tail -n 1)" -eq 0 ] || fail "the disk is not full: $(df "$ROOT/cluster")"
refused 'No space left' conclave account create carol
[ ! -e "$CONCLAVE_HOME/carol/identity" ] || fail "carol was refused and has an identity"
refused 'No space left|disk is full' conclave policy set /secrets/other --approvers alice,bob --quorum 2
CONCLAVE_HOME=$ROOT/home2 refused 'No space left' conclave init --dir "$ROOT/cluster/second"
[ ! -e "$ROOT/cluster/second/cluster.toml" ] || fail "a refused init made a cluster"
CONCLAVE_HOME=$ROOT/home3 refused 'No space left' conclave up --dir "$ROOT/cluster/third" --mount "$M2"
! ps -eo args | grep -F "$ROOT/cluster/third" | grep -v grep || fail "a refused up left a process"
conclave up --mount "$M" || fail "up is not idempotent on a full disk"
python3 - "$M" <<'PYTHON'
import errno, os, sys
mount = sys.argv[1]
def refused(what, call):
    try:
        call()
    except OSError as e:
        assert e.errno == errno.ENOSPC, (what, e)
    else:
        raise SystemExit(what + " was done on a full disk")
def write(path, how):
    f = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(f, b"after")
        if how == "fsync":
            os.fsync(f)
    finally:
        os.close(f)
refused("a write of a secret, at its fsync", lambda: write(mount + "/secrets/team/old", "fsync"))
refused("a write of a secret, at its close", lambda: write(mount + "/secrets/team/old", "close"))
refused("a new secret", lambda: write(mount + "/secrets/team/new", "close"))
refused("a write of a file", lambda: write(mount + "/small", "fsync"))
# The directory server's log has room for some more changes in the blocks that it has, the more the smaller they are.
def many_folders():
    for i in range(5000):
        os.mkdir(f"{mount}/folder{i + 1}")
def many_modes():
    for i in range(5000):
        os.chmod(mount + "/folder0", 0o700 + i % 8)
refused("a folder", many_folders)
refused("a mode", many_modes)
refused("a rename", lambda: os.rename(mount + "/folder0", mount + "/moved"))
refused("a folder's end", lambda: os.rmdir(mount + "/folder0"))
assert os.listdir(mount + "/folder0") == [] and not os.path.exists(mount + "/moved")
PYTHON
folders=$(find "$M" -maxdepth 1 -name 'folder*' | wc -l)
cmp "$ROOT/kept" "$M/kept"
all_up || fail "a full disk ended a server"
conclave account list | grep -c -E '^(alice|bob|carol) ' | grep -qx 2

step "with room again, it goes on"
rm "$ROOT/cluster/ballast" "$ROOT/cluster/ballast2"
removed() { rm -f "$M/filler"; }
eventually 20 removed
# Removing needs no room of the user's, and the space comes back without a restart.
works() { cp "$ROOT/kept" "$M/again" && sync "$M/again" && cmp "$ROOT/kept" "$M/again"; }
eventually 60 works
cmp "$ROOT/kept" "$M/kept"
[ "$(find "$M" -maxdepth 1 -name 'folder*' | wc -l)" -eq "$folders" ] || fail "a folder came or went"
mv "$M/folder0" "$M/moved"
conclave account create carol
conclave policy set /secrets/other --approvers alice,bob --quorum 2
[ "$(opened "$M/secrets/team/old")" = before ] || fail "the secret that was not written again is now: $(cat "$ROOT/opened")"
echo -n after > "$M/secrets/team/new"
[ "$(opened "$M/secrets/team/new")" = after ] || fail "a secret written later reads: $(cat "$ROOT/opened")"
CONCLAVE_HOME=$ROOT/home2 conclave init --dir "$ROOT/cluster/second" > "$ROOT/said" || fail "init does not go on"
conclave audit verify

step "the cluster starts again on what it kept"
conclave down
conclave up --mount "$M"
cmp "$ROOT/kept" "$M/kept"
cmp "$ROOT/kept" "$M/again"
conclave login alice
[ "$(opened "$M/secrets/team/old")" = before ]
conclave audit verify
memory_within_limit
conclave down
cp -r "$CONCLAVE_DIR/log" "$ROOT"
umount "$ROOT/cluster"
mv "$ROOT/log" "$CONCLAVE_DIR"
nothing_left warnings
rm -rf --one-file-system "$ROOT"
