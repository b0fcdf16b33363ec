# up, down, up again: idempotent, data stay, nothing is left; several mounts; busy mounts are named.
. "$(dirname "$0")/harness.bash"
own_cluster

step "init, and up on what init made"
conclave init --dir "$CONCLAVE_DIR" | grep -q 'conclave-file-1\.'
refused 'already holds a cluster' conclave init
[ "$(stat -c %a "$CONCLAVE_DIR/ca.key")" = 600 ]
conclave up --mount "$M"
echo kept > "$M/file" && sync "$M/file"
before=$(processes | awk '{print $1}' | sort)
conclave up --mount "$M"
[ "$(processes | awk '{print $1}' | sort)" = "$before" ] || fail "a second up changed what runs"

step "a second mount, and a busy one"
conclave mount "$M2"
[ "$(cat "$M2/file")" = kept ]
(cd "$M2" && exec sleep 100) & sleeper=$!
eventually 10 bash -c "[ \"\$(readlink /proc/$sleeper/cwd)\" = '$M2' ]"
refused 'busy.*sleep \(pid' conclave down
kill $sleeper; wait $sleeper 2> /dev/null || true

step "down, and up again with both mounts' data"
conclave status > /dev/null
conclave down
nothing_left
refused 'down' conclave status
conclave down
conclave up --mount "$M"
[ "$(cat "$M/file")" = kept ]

step "as mount(8) calls it"
"$(dirname "$CONCLAVE")/mount.conclave" "$CONCLAVE_DIR" "$M2" -o rw,_netdev
[ "$(cat "$M2/file")" = kept ]

step "more file servers"
conclave up --fileservers 3
conclave status | grep -q fileserver-5

step "every command has help with an example, and knows usage mistakes"
conclave --help | awk 'NR > 5 && /^[a-z]/ {print}' | while read -r first second _; do
  words=$first
  "$CONCLAVE" "$first" "$second" --help > /dev/null 2>&1 && words="$first $second"
  # shellcheck disable=SC2086
  "$CONCLAVE" $words --help | grep -q '^  conclave' || fail "$words --help shows no example"
  code=0
  # shellcheck disable=SC2086
  "$CONCLAVE" $words --no-such-option > /dev/null 2>&1 || code=$?
  [ $code -eq 2 ] || fail "$words --no-such-option ended with $code instead of 2"
done
finish_own_cluster
