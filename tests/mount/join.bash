# Servers one by one, each with one command; a file server joins with a token, which is good for one folder.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M" --fileservers 1 --replicas 2
echo before > "$M/before" && sync "$M/before"
token=$(conclave token fileserver)

refused 'cut or changed' conclave fileserver --join "${token:0:600}" --data "$ROOT/cut"
refused 'not a file server.s token' conclave fileserver --join hello --data "$ROOT/cut"
refused 'needs --join' conclave fileserver --data "$ROOT/none"

"$CONCLAVE" fileserver --join "$token" --data "$ROOT/joined" 2> "$ROOT/joined.log" & joined=$!
trap 'kill $joined 2> /dev/null; conclave down --force > /dev/null 2>&1 || true' EXIT
eventually 20 file_servers_up 2
head -c 3000000 /dev/urandom > "$ROOT/data"
cp "$ROOT/data" "$M/after" && sync "$M/after" && cmp "$ROOT/data" "$M/after"
eventually 20 bash -c "[ \$(du -sk '$ROOT/joined' | cut -f1) -gt 2900 ]"

step "the same token for another folder is refused"
"$CONCLAVE" fileserver --join "$token" --data "$ROOT/copy" > "$ROOT/copy.log" 2>&1 & copy=$!
timeout 20 tail --pid=$copy -f /dev/null || { kill $copy; fail "a second folder could join with the same token"; }
code=0; wait $copy || code=$?
[ $code -eq 1 ] || fail "a refused file server ended with $code"
grep -q 'registered with another data folder' "$ROOT/copy.log" || fail "the refusal does not say why: $(cat "$ROOT/copy.log")"

step "stopped, and started without a token"
kill $joined; code=0; wait $joined || code=$?
[ $code -eq 0 ] || fail "a file server that was stopped ended with $code"
cmp "$ROOT/data" "$M/after" || fail "with one of two copies gone, a file cannot be read"
"$CONCLAVE" fileserver --data "$ROOT/joined" 2>> "$ROOT/joined.log" & joined=$!
eventually 20 file_servers_up 2
cmp "$ROOT/data" "$M/after"
[ "$(cat "$M/before")" = before ]
kill $joined; wait $joined || true
trap 'conclave down --force > /dev/null 2>&1 || true' EXIT
! grep -aE 'Sanitizer|runtime error:|CHECK|terminate called' "$ROOT"/joined.log "$ROOT"/copy.log || fail "a file server failed"
finish_own_cluster warnings
