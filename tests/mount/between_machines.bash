# People and file servers of other machines: all that they have is a token and what joining made of it. Each is another Unix
# user here, with a folder of his own, without CONCLAVE_DIR, and unable to read the cluster's folder.
. "$(dirname "$0")/harness.bash"

own_cluster_for_all
others=()
end_others() { [ ${#others[@]} -eq 0 ] || kill "${others[@]}" 2> /dev/null || true; }

for uid in 4211 4212 4213 4214; do
  mkdir -m 700 "$home/$uid"
  cp "$CONCLAVE_PASSPHRASE_FILE" "$home/$uid/passphrase"
  chown -R "$uid" "$home/$uid"
done
become() {  # UID COMMAND…: in place of this shell, so that $! is the command's
  exec env -u CONCLAVE_DIR CONCLAVE_HOME="$home/$1/identities" CONCLAVE_PASSPHRASE_FILE="$home/$1/passphrase" \
    setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"
}
as() { (become "$@"); }
invite() { conclave account invite "$@" 2> "$ROOT/invited"; }

step "a file server with a token of init, another with one of a command"
conclave init --fileservers 1 --replicas 3 > "$ROOT/init"
grep -o 'conclave-file-1\.[A-Za-z0-9_-]*' "$ROOT/init" > "$home/4213/token"
[ "$(wc -l < "$home/4213/token")" -eq 1 ] || fail "init --fileservers 1 printed $(wc -l < "$home/4213/token") tokens"
chown 4213 "$home/4213/token"
chmod 600 "$home/4213/token"
conclave up --mount "$M" --fileservers 1
! as 4213 test -e "$CONCLAVE_DIR/cluster.toml" || fail "the cluster's folder is open to all"
refused 'No such file' as 4213 "$CONCLAVE" fileserver --join "@$home/4213/nowhere" --data "$home/4213/data"
refused 'not a file server.s token' as 4213 "$CONCLAVE" fileserver --join - --data "$home/4213/data" < /dev/null
[ ! -e "$home/4213/data" ] || fail "a refused token left a data folder"
become 4213 "$CONCLAVE" fileserver --join "@$home/4213/token" --data "$home/4213/data" 2> "$ROOT/joined-1.log" & others+=($!)
conclave token fileserver > "$ROOT/token"
become 4214 "$CONCLAVE" fileserver --join - --data "$home/4214/data" < "$ROOT/token" 2> "$ROOT/joined-2.log" & others+=($!)
eventually 20 file_servers_up 3
head -c 3000000 /dev/urandom > "$ROOT/data"
cp "$ROOT/data" "$M/data" && sync "$M/data" && cmp "$ROOT/data" "$M/data"
kept_by() { [ "$(du -sk "$1" | cut -f1)" -gt 2900 ]; }
for uid in 4213 4214; do
  eventually 20 kept_by "$home/$uid/data/data/chunks"
  [ "$(stat -c %u "$home/$uid/data/server.key")" = $uid ] || fail "the key of $uid belongs to another"
done

step "a person's token: of another kind, cut, no token"
for person in alice bob; do conclave account create $person; done
token=$(invite dave --uid 4211 --gid 4211)
grep -q 'conclave account join TOKEN' "$ROOT/invited" || fail "invite does not say what to do with the token"
refused 'no whole join token of a person' as 4211 "$CONCLAVE" account join "$(cat "$ROOT/token")"
refused 'not a file server.s token' as 4211 "$CONCLAVE" fileserver --join "$token" --data "$home/4211/data"
refused 'no whole join token of a person' as 4211 "$CONCLAVE" account join "${token:0:900}"
refused 'no whole join token of a person' as 4211 "$CONCLAVE" account join hello
refused 'no identity' as 4211 "$CONCLAVE" requests
refused "nobody has joined as 'dave'" conclave account admit dave

step "join there, admit here"
as 4211 "$CONCLAVE" account join "$token" | grep -q 'conclave account admit dave'
refused 'does not let dave in.* no device' as 4211 "$CONCLAVE" requests
as 4211 "$CONCLAVE" account join "$token" | grep -q Sent   # the same again is done already
refused 'used already; ask an admin for a new one' as 4212 "$CONCLAVE" account join "$token"
! conclave account list | grep -q dave || fail "who was not admitted is in the roster"
refused 'lacks the role admin' conclave account admit dave --as bob
conclave account admit dave | grep -q 'dave is in the roster'
conclave account list | grep -E '^dave +author,approver,requester +4211 +1 ' || fail "the roster: $(conclave account list)"
diff <(conclave account list) <(as 4211 "$CONCLAVE" account list) || fail "dave sees another roster"
refused "nobody has joined as 'dave'" conclave account admit dave
refused 'used already' as 4212 "$CONCLAVE" account join "$token"

step "a join that was cut short is repeated with its token; a create that was, too"
token=$(invite henry)
pid=$(pid_of vault)
kill -STOP "$pid"   # nobody answers
CONCLAVE_HOME=$home/henry-home refused 'run the same again; the keys wait' conclave account join "$token"
kill -CONT "$pid"
CONCLAVE_HOME=$home/henry-home refused 'passphrase' env CONCLAVE_PASSPHRASE_FILE=/dev/null "$CONCLAVE" account join "$token"
CONCLAVE_HOME=$home/henry-home conclave account join "$token" | grep -q Sent
conclave account admit henry
CONCLAVE_HOME=$home/jack-home conclave account join "$(invite jack)" > /dev/null
CONCLAVE_HOME=$home/jack-home refused 'holds an identity already' conclave account join "$(invite jack)"
cp -r "$home/jack-home/jack" "$CONCLAVE_HOME/jack"   # as `account create jack` leaves it when it is killed before it admits
conclave account create jack | grep -q 'jack is in the roster'
ls -d "$CONCLAVE_HOME"/jack.was-* > /dev/null || fail "the keys that nobody admitted are gone"

step "a new invitation voids the one before it; @FILE and - keep a token off the command line"
token=$(invite erin)
second=$(invite erin)
[ "$token" != "$second" ] || fail "two invitations are one"
refused 'no such invitation; ask an admin for a new token' as 4212 "$CONCLAVE" account join "$token"
(umask 077; echo "$second" > "$home/4212/token"; chown 4212 "$home/4212/token")
refused 'No such file' as 4212 "$CONCLAVE" account join "@$home/4212/nowhere"
as 4212 "$CONCLAVE" account join "@$home/4212/token"
conclave account admit erin
conclave account invite gina > "$home/gina"
CONCLAVE_HOME=$home/gina-home conclave account join - < "$home/gina"
conclave account admit gina

step "he votes from there"
conclave policy set /secrets/team --approvers alice,bob,dave --quorum 2
conclave login alice
echo -n s3cret > "$M/secrets/team/db"
cat "$M/secrets/team/db" > "$ROOT/opened" & reader=$!
asked() { as 4211 "$CONCLAVE" requests --json | grep -q /secrets/team/db; }
eventually 20 asked
as 4211 "$CONCLAVE" requests | grep /secrets/team/db | grep -q alice || fail "dave does not see whose request it is"
id=$(as 4211 "$CONCLAVE" requests --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p')
as 4211 "$CONCLAVE" show "$id" > "$ROOT/shown"
grep -q 'secret .*/secrets/team/db, version 1' "$ROOT/shown" && grep -q 'asked by .*alice' "$ROOT/shown" &&
  grep -q '2 of alice, bob, dave' "$ROOT/shown" || fail "show says: $(cat "$ROOT/shown")"
refused 'no approver' as 4212 "$CONCLAVE" approve "$id"
as 4211 "$CONCLAVE" approve "$id" | grep -q 'Approved by dave: 1 of 2, pending'
[ -d /proc/$reader ] && [ ! -s "$ROOT/opened" ] || fail "one approval opened it"

step "CONCLAVE_AS names who acts; --as is stronger"
CONCLAVE_AS=mallory refused "no identity 'mallory'" conclave approve "$id"
CONCLAVE_AS=alice refused 'own|self|requester|yourself' conclave approve "$id"
CONCLAVE_AS=alice conclave approve "$id" --as bob | grep -q 'Approved by bob: 2 of 2'
wait $reader || fail "cat failed"
[ "$(cat "$ROOT/opened")" = s3cret ] || fail "cat read: $(cat "$ROOT/opened")"
as 4211 "$CONCLAVE" requests --all | grep -E "^${id:0:8} +open +2 of 2 +alice " || fail "dave does not see how it ended"
as 4211 "$CONCLAVE" audit verify
refused 'Permission denied' as 4211 env CONCLAVE_DIR="$CONCLAVE_DIR" "$CONCLAVE" requests

step "he says no"
echo -n again > "$M/secrets/team/db"
cat "$M/secrets/team/db" > "$ROOT/denied" 2> "$ROOT/why" & reader=$!
eventually 20 asked
id=$(as 4211 "$CONCLAVE" requests --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p')
as 4211 "$CONCLAVE" deny "$id" --reason "not today" | grep -q 'denied'
code=0; wait $reader || code=$?
[ $code -eq 1 ] && grep -q 'Permission denied' "$ROOT/why" && [ ! -s "$ROOT/denied" ] ||
  fail "denied: $code, $(cat "$ROOT/why")"

step "--roles: what an account may not do"
conclave account create reader --roles approver,requester
conclave account create writer --roles author,requester
conclave account create silent --roles author,approver
conclave account list | grep -E '^writer +author,requester '
refused "no role 'king'" conclave account invite frank --roles king
refused 'a name is' conclave account invite 'Frank X'
conclave login reader
code=0; (echo -n x > "$M/secrets/team/of-reader") 2> "$ROOT/why" || code=$?
[ $code -eq 1 ] && grep -q 'Permission denied' "$ROOT/why" || fail "without the role author: $code, $(cat "$ROOT/why")"
conclave status --json | grep -q '"secrets": 1,' || fail "a secret was stored without the role author"
[ "$(ls "$M/secrets/team")" = db ] || fail "a refused secret left a name: $(ls "$M/secrets/team")"
refused 'writer lacks the role approver' conclave policy set /secrets/other --approvers alice,writer --quorum 2
conclave login writer
echo -n of-writer > "$M/secrets/team/of-writer"
cat "$M/secrets/team/of-writer" > "$ROOT/opened" & reader=$!
eventually 20 bash -c "'$CONCLAVE' requests --as bob --json | grep -q of-writer"
id=$(conclave requests --as bob --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p')
conclave approve "$id" --as bob
refused 'writer lacks the role approver' conclave approve "$id" --as writer
as 4211 "$CONCLAVE" approve "$id"
wait $reader && [ "$(cat "$ROOT/opened")" = of-writer ] || fail "cat read: $(cat "$ROOT/opened")"
conclave login silent
code=0; timeout 20 cat "$M/secrets/team/of-writer" > "$ROOT/opened" 2> "$ROOT/why" || code=$?
[ $code -eq 1 ] && grep -q 'Permission denied' "$ROOT/why" && [ ! -s "$ROOT/opened" ] ||
  fail "without the role requester: $code, $(cat "$ROOT/why")"
! conclave requests --as bob --json | grep -q '"id"' || fail "who may not ask has a request"

step "--admin"
refused 'lacks the role admin' conclave account invite frank --as alice
refused "admins' signatures" conclave policy set /secrets/other --approvers alice,bob --quorum 2 --as alice
conclave account create chief --admin
conclave account list | grep -E '^chief +author,approver,admin,requester '
conclave policy set /secrets/other --approvers alice,bob --quorum 2 --as chief
token=$(invite frank --as chief --roles requester)
as 4212 env CONCLAVE_HOME="$home/4212/frank" "$CONCLAVE" account join "$token"
refused 'made by another admin or on another device' conclave account admit frank --as "$(id -un)"
conclave account admit frank --as chief
conclave account list | grep -E '^frank +requester '

step "the servers that joined end as they should"
cmp "$ROOT/data" "$M/data"
kill "${others[@]}"
for other in "${others[@]}"; do
  code=0; wait "$other" || code=$?
  [ $code -eq 0 ] || fail "a file server that was stopped ended with $code"
done
others=()
! grep -aE 'Sanitizer|runtime error:|CHECK|terminate called' "$ROOT"/joined-*.log || fail "a file server that joined failed"
finish_own_cluster warnings
