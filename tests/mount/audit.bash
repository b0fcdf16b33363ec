# `request --wait`, and the audit log: what happened stands in it, and a copy in which one byte, one entry or the newest
# entries are not what they were does not verify.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
for person in alice bob; do conclave account create $person; done
conclave policy set /secrets/team --approvers bob --quorum 1
conclave policy set /secrets/brief --approvers bob --quorum 1 --request 3s
conclave login alice
echo -n s3cret > "$M/secrets/team/db"
echo -n brief > "$M/secrets/brief/x"

the_id() { conclave requests --as bob --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p'; }
asked() { the_id | grep .; }
waiting() { "$CONCLAVE" request "$1" --reason "$2" --wait > "$ROOT/said" 2>&1 & waiter=$!; eventually 20 asked; id=$(the_id); }

step "request --wait: approved"
waiting "$M/secrets/team/db" "restore of the backup"
sleep 1
[ -d /proc/$waiter ] && [ ! -s "$ROOT/said" ] || fail "it did not wait: $(cat "$ROOT/said")"
conclave show "$id" --as bob | grep -q 'reason  *restore of the backup' || fail "the reason is not shown"
conclave approve "$id" --as bob > /dev/null
wait $waiter || fail "approved, and it ended with $?: $(cat "$ROOT/said")"
grep -qx "$id approved /secrets/team/db" "$ROOT/said" || fail "approved, and it said: $(cat "$ROOT/said")"
[ "$(timeout 20 cat "$M/secrets/team/db")" = s3cret ] || fail "what was asked for beforehand does not open"
conclave request /secrets/team/db --reason again --wait | grep -qx '/secrets/team/db is open to you already'

step "request --wait: denied, and nobody there"
echo -n again > "$M/secrets/team/db"
waiting /secrets/team/db "another look"
conclave deny "$id" --as bob --reason "not today" > /dev/null
code=0; wait $waiter || code=$?
[ $code -eq 1 ] && grep -qx "conclave request: denied: request ${id:0:8}" "$ROOT/said" || fail "denied: $code, $(cat "$ROOT/said")"
refused '^conclave request: nobody decided request [0-9a-f]{8} in time$' conclave request /secrets/brief/x --reason hello --wait
code=0; conclave request /secrets/brief/x --wait 2> "$ROOT/said" || code=$?
[ $code -eq 2 ] || fail "without a reason it ended with $code"

step "audit show tells it, in order"
conclave audit show > "$ROOT/shown"
line() { grep -nE "$1" "$ROOT/shown" | head -n 1 | cut -d: -f1; }
before=0
for what in 'roster +root .* version 1' 'roster +root .* version 2' 'policy +root .* /secrets/team: 1 of bob' 'put +alice .* /secrets/team/db version 1' \
  'request +alice .* /secrets/team/db' 'approve +bob .* /secrets/team/db' 'release .* /secrets/team/db' \
  'open +alice .* /secrets/team/db' 'put +alice .* /secrets/team/db version 2' 'deny +bob .* /secrets/team/db'; do
  at=$(line "^20[-0-9]+T[0-9:]+Z $what")
  [ -n "$at" ] && [ "$at" -gt "$before" ] || fail "audit show has no '$what' after its line $before: $(cat "$ROOT/shown")"
  before=$at
done

step "audit verify --files: a copy verifies, a changed one does not"
copied() {  # the log and a copy of it, with nothing that the vault writes by itself (a time that ran out, a closing) between them
  rm -rf "$ROOT/audit"
  conclave audit show > "$ROOT/shown" && cp -r "$M/.conclave/audit" "$ROOT/audit" && conclave audit verify > "$ROOT/verified" &&
    cmp <(head -n 3 "$M/.conclave/audit/checkpoint") <(head -n 3 "$ROOT/audit/checkpoint")
}
eventually 20 copied
chmod -R u+w "$ROOT/audit"
entries=$(wc -l < "$ROOT/shown")
grep -qE "^The log verifies: $entries entries, root [A-Za-z0-9+/]{43}=, signed by conclave/[0-9a-f]{32}\.$" "$ROOT/verified" ||
  fail "of $entries entries it says: $(cat "$ROOT/verified")"
diff "$ROOT/shown" <(conclave audit show --files "$ROOT/audit") || fail "the copy shows something else"
diff "$ROOT/verified" <(conclave audit verify --files "$ROOT/audit") || fail "the copy verifies differently"
bundle=$(cd "$ROOT/audit" && find tile/entries -type f)
tampered() {  # PATTERN, and on standard input python that changes `bundle` or `checkpoint`, of bytes
  rm -rf "$ROOT/changed" && cp -r "$ROOT/audit" "$ROOT/changed"
  python3 -c '
import sys
files = {"bundle": sys.argv[1] + "/" + sys.argv[2], "checkpoint": sys.argv[1] + "/checkpoint"}
has = {name: bytearray(open(path, "rb").read()) for name, path in files.items()}
exec(sys.stdin.read(), has)
for name, path in files.items():
    open(path, "wb").write(has[name])' "$ROOT/changed" "$bundle"
  ! diff -rq "$ROOT/audit" "$ROOT/changed" > /dev/null || fail "nothing was changed"
  refused "^conclave audit verify: .*($1)" conclave audit verify --files "$ROOT/changed"
  refused "^conclave audit show: .*($1)" conclave audit show --files "$ROOT/changed"
}
changed='an entry was changed'
tampered "$changed" <<< 'bundle[bundle.index(b"/secrets/team/db version 1")] ^= 1'
tampered "$changed" <<< 'at = bundle.index(b"alice"); bundle[at:at + 5] = b"mallo"'
tampered "$changed|out of its range" <<< 'bundle[len(bundle) // 2] ^= 0x80'
tampered 'cut short' <<< 'del bundle[-40:]'
tampered '4 bytes left over' <<< 'bundle += b"more"'
tampered 'cut short' <<< 'size = int.from_bytes(bundle[:2], "big") + 2; del bundle[:size]'
tampered "signature does not fit" <<< 'lines = checkpoint.split(b"\n"); lines[1] = b"5"; checkpoint[:] = b"\n".join(lines)'
tampered "signature does not fit" <<< 'checkpoint[-20] = 66 if checkpoint[-20] == 65 else 65'
tampered "checkpoint" <<< 'checkpoint.clear()'
cp -r "$ROOT/audit" "$ROOT/without"
rm -r "$ROOT/without/tile"
refused 'No such file' conclave audit verify --files "$ROOT/without"
refused 'No such file' conclave audit verify --files "$ROOT/nowhere"

step "a log that lost its newest entries: this device remembers"
conclave policy set /secrets/other --approvers bob --quorum 1
newest=$(conclave audit verify | sed -n 's/^The log verifies: \([0-9]*\) entries.*/\1/p')   # a mount may have told of a close
[ "$newest" -gt "$entries" ] || fail "the log has $newest entries, not more than $entries"
refused "the log has $entries entries; this device has seen $newest: the newest were deleted" \
  conclave audit verify --files "$ROOT/audit"
finish_own_cluster warnings
