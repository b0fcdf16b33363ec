# Folders that cannot serve: a mount point in use, not empty, no folder; a read-only data folder; a foreign folder.
. "$(dirname "$0")/harness.bash"
own_cluster
kinds=(lockserver dirserver fileserver-1 vault)
clean_mounts() { umount "$ROOT/used" "$M2" $(printf "$CONCLAVE_DIR/%s/data " "${kinds[@]}") 2> /dev/null || true; }
trap 'code=$?; clean_mounts; conclave down --force > /dev/null 2>&1 || true; exit $code' EXIT

mkdir "$ROOT/foreign" "$ROOT/used" "$ROOT/full" && touch "$ROOT/foreign/thesis" "$ROOT/full/thesis" "$ROOT/afile"
refused 'not empty' conclave init --dir "$ROOT/foreign"
[ "$(ls -A "$ROOT/foreign")" = thesis ] || fail "init left something in a foreign folder"
refused 'which cluster' env -u CONCLAVE_DIR "$CONCLAVE" up --mount "$M"

conclave up --mount "$M"
echo kept > "$M/file" && sync "$M/file"
mount -t tmpfs used "$ROOT/used"
refused 'in use.*tmpfs' conclave mount "$ROOT/used"
refused 'in use' conclave up --mount "$ROOT/used"
refused 'not empty' conclave mount "$ROOT/full"
refused 'not a folder' conclave mount "$ROOT/afile"
[ "$(cat "$M/file")" = kept ] || fail "a refused mount harmed another"
refused 'not empty|no cluster' conclave mount "$M2" --dir "$ROOT/foreign"
conclave down

step "data folders that are read-only, of another kind, or a file: of each server"
for server in "${kinds[@]}"; do
  data=$CONCLAVE_DIR/$server/data
  mount --bind "$data" "$data" && mount -o remount,bind,ro "$data"
  refused "$data.*[Rr]ead-only" conclave up --mount "$M"
  umount "$data"
  [ -z "$(processes)" ] || fail "with $server refused, there runs: $(processes)"
  mv "$data" "$data.away"
  echo thesis > "$data"
  refused "$data.*Not a directory|$data.*not a folder" conclave up --mount "$M"
  [ "$(cat "$data")" = thesis ] || fail "$server wrote to a file that was in its place"
  rm "$data" && mv "$data.away" "$data"
  [ -z "$(processes)" ] || fail "with $server refused, there runs: $(processes)"
done

step "a server's folder that another process uses: of each server"
conclave up --mount "$M"
for server in "${kinds[@]}"; do
  refused "${server%-1}.*($CONCLAVE_DIR/$server/data.*is locked: another process)" \
    timeout 20 "$CONCLAVE" "${server%-1}" --config "$CONCLAVE_DIR/$server/${server%-1}.toml"
done
[ "$(cat "$M/file")" = kept ]
conclave status > /dev/null || fail "a refused server harmed the one that runs"

step "a mount whose daemon was killed: it is said, and up takes it away"
kill -9 "$(mount_pid "$M")"
dead() { ! stat "$M"; }
eventually 10 dead
refused 'is dead; .conclave up. repairs it' conclave status
mkdir "$M2"
conclave mount "$M2"
[ "$(cat "$M2/file")" = kept ]
conclave up
[ "$(cat "$M/file")" = kept ]

step "a mount under another file system is not mistaken for ours"
mount -t tmpfs over "$M2"
refused 'in use.*tmpfs' conclave mount "$M2"
refused 'in use.*tmpfs' conclave down
touch "$M2/still-tmpfs"
umount "$M2" "$ROOT/used"
finish_own_cluster warnings
