# Several people on one machine: each Unix user logs in with an identity of his own, from a folder of his own, and speaks
# for himself only. They cannot enter the folder of the cluster, which root made.
. "$(dirname "$0")/harness.bash"

own_cluster_for_all

conclave up --mount "$M"
for person in alice bob carol; do conclave account create $person; done
conclave policy set /secrets/team --approvers alice,bob,carol --quorum 2
chmod 1777 "$M/secrets/team"
for one in 4201:alice 4202:bob; do
  mkdir "$home/${one%:*}"
  cp -r "$CONCLAVE_HOME/${one#*:}" "$CONCLAVE_PASSPHRASE_FILE" "$home/${one%:*}"
  chown -R "${one%:*}" "$home/${one%:*}"
done
as() {  # UID COMMAND…
  env -u CONCLAVE_DIR CONCLAVE_HOME="$home/$1" CONCLAVE_PASSPHRASE_FILE="$home/$1/passphrase" \
    setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"
}

step "login from a folder of one's own"
! as 4201 test -e "$CONCLAVE_DIR/cluster.toml" || fail "the cluster's folder is open to all"
as 4201 "$CONCLAVE" login alice | grep -q alice
as 4202 "$CONCLAVE" login bob | grep -q bob
refused 'Permission denied' as 4201 env CONCLAVE_DIR="$CONCLAVE_DIR" "$CONCLAVE" status
refused 'no identity .carol' as 4201 "$CONCLAVE" login carol

step "each writes a secret of his own"
as 4201 sh -c "echo -n of-alice > '$M/secrets/team/alice'"
as 4202 sh -c "echo -n of-bob > '$M/secrets/team/bob'; chmod 644 '$M/secrets/team/bob'"
refused 'Required key not available|no login' as 4203 tee "$M/secrets/team/mallory"
refused 'Required key not available|no login' as 4203 cat "$M/secrets/team/bob"

step "who opens is who is asked for; a grant is one user's"
as 4201 cat "$M/secrets/team/bob" > "$home/opened" & reader=$!
asked() { as 4202 "$CONCLAVE" requests --json | grep -q /secrets/team/bob; }
eventually 20 asked
as 4202 "$CONCLAVE" requests | grep /secrets/team/bob | grep -q alice || fail "the request is not alice's"
id=$(as 4202 "$CONCLAVE" requests --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p')
as 4202 "$CONCLAVE" show "$id" | grep -q 4201 || fail "the request does not tell the Unix user"
refused 'own|self|requester|yourself' as 4201 "$CONCLAVE" approve "$id"
as 4202 "$CONCLAVE" approve "$id"
[ ! -s "$home/opened" ] || fail "one approval opened it"
conclave approve "$id" --as carol
wait $reader || fail "cat failed"
[ "$(cat "$home/opened")" = of-bob ] || fail "cat read: $(cat "$home/opened")"
as 4201 cat "$M/secrets/team/bob" | grep -qx of-bob
as 4202 timeout 5 cat "$M/secrets/team/bob" > "$home/again" & reader=$!
eventually 4 asked
refused 'busy.*waits in it' conclave down
as 4202 "$CONCLAVE" requests | grep /secrets/team/bob | grep -q bob || fail "bob's own open asks for nobody"
code=0; wait $reader || code=$?
[ $code -eq 124 ] && [ ! -s "$home/again" ] || fail "bob's own open ended with $code"

step "the next login of a user id has no part in what the one before asked for"
as 4202 sh -c "echo -n newer > '$M/secrets/team/bob'"
as 4201 "$CONCLAVE" request "$M/secrets/team/bob" --reason "of alice" > /dev/null
id=$(as 4202 "$CONCLAVE" requests --json | python3 -c '
import json, sys
print(*[r["id"] for r in json.load(sys.stdin) if r["claims"]["reason"] == "of alice"])')
as 4202 "$CONCLAVE" approve "$id"
conclave approve "$id" --as carol
cp -r "$CONCLAVE_HOME/bob" "$home/4201" && chown -R 4201 "$home/4201/bob"
as 4201 "$CONCLAVE" login bob > /dev/null
code=0; as 4201 timeout 3 cat "$M/secrets/team/bob" > "$home/as-bob" || code=$?
[ $code -eq 124 ] && [ ! -s "$home/as-bob" ] || fail "bob's login opened what alice asked for: code $code, $(cat "$home/as-bob")"
conclave requests --all | grep "${id:0:8}" | grep -q cancelled || fail "alice's request lives on: $(conclave requests --all)"
as 4201 "$CONCLAVE" login alice > /dev/null
rm -r "$home/4201/bob"

step "logout is one user's"
as 4201 "$CONCLAVE" logout
refused 'Required key not available|no login' as 4201 cat "$M/secrets/team/bob"
as 4202 sh -c "echo -n again > '$M/secrets/team/bob'"
conclave audit verify
finish_own_cluster
