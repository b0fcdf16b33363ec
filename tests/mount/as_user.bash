# Everything by a user who is not root: a cluster and two mounts of his own, through fusermount3.
. "$(dirname "$0")/harness.bash"

# As root, the rest of this runs as nobody: in a folder that he can enter (build/ may lie in one that he cannot), and with
# a /dev/fuse that all may open, as Debian has it, in a mount namespace of its own. All of it ends with this process.
if [ "$(id -u)" -eq 0 ]; then
  home=$(mktemp -d)
  trap 'rm -rf --one-file-system "$home"' EXIT
  cp "$CONCLAVE" "$(dirname "$0")"/{harness,as_user}.bash "$home"
  mknod "$home/fuse" c 10 229
  chmod 666 "$home/fuse"
  chmod 755 "$home"
  mkdir "$home/nobody"
  chown nobody: "$home/nobody"
  CONCLAVE=$home/conclave ROOT=$home/nobody/root HOME=$home/nobody \
    unshare --mount --pid --fork --kill-child --mount-proc bash -c '
    mount --bind "$1/fuse" /dev/fuse && cd "$HOME"
    setpriv --reuid nobody --regid nogroup --clear-groups bash "$1/as_user.bash"' as_user "$home"
  exit
fi

own_cluster
step "up: the tree is his"
conclave up --mount "$M"
[ "$(stat -c %u:%g "$M")" = "$(id -u):$(id -g)" ] || fail "the root belongs to $(stat -c %u:%g "$M")"
head -c 3000000 /dev/urandom > "$ROOT/data"
cp "$ROOT/data" "$M/data" && sync "$M/data" && cmp "$ROOT/data" "$M/data"
mkdir "$M/folder" && echo one > "$M/folder/a" && chmod 600 "$M/folder/a" && mv "$M/folder/a" "$M/folder/b"
[ "$(stat -c %a:%u "$M/folder/b")" = "600:$(id -u)" ]

step "a second mount, through a symbolic link; a place that is not his"
mkdir "$ROOT/second" && ln -s second "$ROOT/link"
conclave mount "$ROOT/link"
cmp "$ROOT/data" "$ROOT/second/data"
refused 'not empty' conclave mount /usr
refused 'Permission denied' conclave mount /usr/nobodys
mkdir "$ROOT/closed" && chmod 555 "$ROOT/closed"
refused 'no write access to mountpoint' conclave mount "$ROOT/closed"

step "a log of his own, and his sensors"
mkdir "$M/logs" && setfattr -n user.conclave.class -v append "$M/logs"
echo one >> "$M/logs/a" && echo two >> "$M/logs/a" && [ "$(cat "$ROOT/second/logs/a")" = "$(printf 'one\ntwo')" ]
refused 'not permitted' truncate -s 0 "$M/logs/a"
"$CONCLAVE" ingest host --interval 1s > "$ROOT/ingest.log" 2>&1 & ingest=$!
sensed() { [ -n "$(find "$M/sensors" -type f -size +0)" ]; }
eventually 20 sensed
kill $ingest; wait $ingest 2> /dev/null || true

step "a secret that opens by vote"
for person in alice bob carol; do conclave account create $person; done
conclave policy set /secrets/prod --approvers alice,bob,carol --quorum 2
conclave login alice
echo -n s3cret > "$M/secrets/prod/db"
cat "$M/secrets/prod/db" > "$ROOT/opened" 2> "$ROOT/said" & reader=$!
asked() { conclave requests --as bob | grep /secrets/prod/db; }
eventually 20 asked
[ ! -s "$ROOT/opened" ] || fail "a secret opened without votes"
id=$(conclave requests --as bob --json | sed -n 's/.*"id": "\(.*\)".*/\1/p')
conclave approve "$id" --as bob
conclave approve "$id" --as carol
wait $reader || fail "cat failed: $(cat "$ROOT/said")"
[ "$(cat "$ROOT/opened")" = s3cret ] || fail "cat read: $(od -c "$ROOT/opened")"
conclave audit verify

step "a busy mount, and down"
(cd "$M" && exec sleep 100) & sleeper=$!
eventually 10 bash -c "[ \"\$(readlink /proc/$sleeper/cwd)\" = '$M' ]"
refused 'busy.*sleep \(pid' conclave down
kill $sleeper; wait $sleeper 2> /dev/null || true
conclave down
nothing_left

step "a mount whose daemon was killed is taken away"
conclave up --mount "$M"
kill -9 "$(mount_pid "$M")"
eventually 10 bash -c "! stat '$M'"
conclave up
cmp "$ROOT/data" "$M/data"
finish_own_cluster warnings
