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

step "an up that is killed at any moment is repeated, and nothing runs twice"
for pause in 0.02 0.05 0.1 0.2 0.4; do
  conclave down > /dev/null
  "$CONCLAVE" up --mount "$M" > /dev/null & starting=$!
  sleep $pause
  kill -9 $starting 2> /dev/null || true   # it may be up already
  wait $starting 2> /dev/null || true
  conclave up --mount "$M" > /dev/null
  [ "$(cat "$M/file")" = kept ]
  twice=$(processes | cut -d' ' -f2- | sort | uniq -d)
  [ -z "$twice" ] || fail "killed after $pause s: $twice"
done

step "as mount(8) calls it"
"$(dirname "$CONCLAVE")/mount.conclave" "$CONCLAVE_DIR" "$M2" -o rw,_netdev
[ "$(cat "$M2/file")" = kept ]

step "more file servers"
conclave up --fileservers 3
conclave status | grep -q fileserver-5

step "every command has help with an example, and knows usage mistakes"
conclave --help > "$ROOT/help"
# The table's first column: one word or two, then at least two spaces.
sed -n '/^COMMAND /,/^$/p' "$ROOT/help" | grep '^[a-z]' > "$ROOT/table"
sed -nE 's/^([a-z-]+( [a-z-]+)?)  +[^ ].*/\1/p' "$ROOT/table" > "$ROOT/commands"
[ "$(wc -l < "$ROOT/commands")" -eq "$(wc -l < "$ROOT/table")" ] || fail "a line of the table has no command"
for one in up status "account create" "audit verify" "token fileserver" dirserver; do
  grep -qx "$one" "$ROOT/commands" || fail "--help does not list $one: $(cat "$ROOT/commands")"
done
ends_with() {  # CODE WORD…: prints what it says
  local code=0
  timeout 20 "$CONCLAVE" "${@:2}" < /dev/null 2>&1 || code=$?
  [ $code -eq "$1" ] || fail "\`${*:2}\` ended with $code instead of $1"
}
while read -r -a words; do
  for help in --help -h; do
    ends_with 0 "${words[@]}" $help > "$ROOT/help"
    grep -A 1 '^Example:$' "$ROOT/help" | grep -qE "^  conclave ${words[*]}( |$)" ||
      fail "${words[*]} $help shows no example of itself"
  done
  ends_with 2 "${words[@]}" --no-such-option > "$ROOT/help"
  grep -qE "usage: conclave ${words[*]}|See conclave ${words[*]} --help" "$ROOT/help" ||
    fail "${words[*]} --no-such-option says: $(cat "$ROOT/help")"
done < "$ROOT/commands"
for wrong in account "account destroy" nonsense --no-such-option; do
  # shellcheck disable=SC2086
  ends_with 2 $wrong > "$ROOT/help"
  grep -q 'conclave --help' "$ROOT/help" || fail "\`conclave $wrong\` does not name the help: $(cat "$ROOT/help")"
done
cut -d' ' -f1 "$ROOT/commands" | uniq -d | while read -r group; do
  ! grep -qx "$group" "$ROOT/commands" || continue   # it is a command too
  listed=$(ends_with 2 "$group" | grep -o "there is .conclave $group [a-z]*" | wc -l)
  [ "$listed" -eq "$(grep -c "^$group " "$ROOT/commands")" ] ||
    fail "\`conclave $group\` does not list its commands"
done
finish_own_cluster
