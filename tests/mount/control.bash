# /.conclave: what a mount says of itself, read-only; and that it is what the commands print.
. "$(dirname "$0")/harness.bash"
ls -la "$M/.conclave"
for file in stats health leases; do
  [ -n "$(cat "$M/.conclave/$file")" ] || fail "/.conclave/$file is empty"
done
! touch "$M/.conclave/new" 2> /dev/null || fail "a file could be made in /.conclave"
! rm -f "$M/.conclave/stats" 2> /dev/null || [ -e "$M/.conclave/stats" ] || fail "/.conclave/stats could be removed"
conclave status --json | python3 -c '
import json, sys
status = json.load(sys.stdin)
assert status["healthy"], status
assert {s["name"].split("-")[0] for s in status["servers"]} == {"lockserver", "dirserver", "vault", "fileserver"}
assert len(status["mounts"]) == 2 and len(status["lock"]["sessions"]) >= 2
assert any("threshold" in w for w in status["warnings"])'
conclave status | grep -q dirserver

step "health and leases are what status says"
figures() {
  conclave status --json | python3 -c '
import json, sys
status = json.load(sys.stdin)
read = lambda name: open(sys.argv[1] + "/.conclave/" + name).read().splitlines()
health = read("health")
for server in status["servers"]:
    name = server["name"].replace("fileserver-", "fileserver ")
    assert name + " up" in health or name == "vault", (name, health)
for line, figure in (("files", "inodes"), ("chunks", "chunks"), ("copies", "replicas"),
                     ("chunks_with_fewer_copies", "under_replicated")):
    wanted = line + " " + str(status["dir"][figure])
    assert wanted in health, (wanted, health)
head, *leases = read("leases")
assert head == "leases locks expires_in_ms mount", head
assert sorted(line.split(" ", 3)[3] for line in leases) == sorted(s["label"] for s in status["lock"]["sessions"]), leases
stats = dict(line.split() for line in read("stats"))
assert int(stats["requests"]) > 0 and int(stats["lost_writes"]) == 0 and int(stats["leases"]) > 0, stats' "$1"
}
# Until what earlier tests left is gone: a session expires, chunks of removed files are freed.
eventually 30 figures "$M"
eventually 30 figures "$M2"

step "requests: of this mount, of this user, as the command has them"
for person in controller voter; do
  conclave account list | grep -q "^$person " || conclave account create $person
done
[ -d "$M/secrets/control" ] || conclave policy set /secrets/control --approvers voter --quorum 1
conclave login controller
echo -n s3cret > "$M/secrets/control/$name"
before=$(cat "$M/.conclave/requests")
cat "$M/secrets/control/$name" > /dev/null 2>&1 & reader=$!
has_line() { grep pending "$M/.conclave/requests"; }
! grep pending <<< "$before" || fail "nobody asked, and requests says: $before"
eventually 20 has_line
mine() {  # ID STATE PATH of what the command lists for the secret
  conclave requests --as voter --json | python3 -c '
import json, sys
for r in json.load(sys.stdin):
    if r["path"] == sys.argv[1]: print(r["id"], r["state"], r["path"])' "/secrets/control/$name"
}
[ "$(grep pending "$M/.conclave/requests")" = "$(mine)" ] ||
  fail "the file has: $(cat "$M/.conclave/requests"); the command: $(mine)"
[ -z "$(cat "$M2/.conclave/requests")" ] || fail "the other mount shows a request that is not its own"
[ -z "$(setpriv --reuid 4242 --regid 4242 --clear-groups cat "$M/.conclave/requests")" ] || fail "another user sees the request"
id=$(mine | cut -d' ' -f1)
conclave deny "$id" --as voter --reason "seen enough" > /dev/null
code=0; wait $reader || code=$?
[ $code -eq 1 ] || fail "a denied reader ended with $code"
grep -qx "$id denied /secrets/control/$name" "$M/.conclave/requests" || fail "denied: $(cat "$M/.conclave/requests")"
conclave logout

step "audit: the log that the vault gives"
same_log() {  # what the vault gives and what the mount at $1 shows, with nothing written between them
  diff <(conclave audit show) <(conclave audit show --files "$1/.conclave/audit") &&
    [ "$(conclave audit verify)" = "$(conclave audit verify --files "$1/.conclave/audit")" ]
}
for mount in "$M" "$M2"; do eventually 20 same_log "$mount"; done
same_size() {
  local size
  size=$(conclave status --json | sed -n 's/.*"log_size": \([0-9]*\).*/\1/p')
  [ "$(sed -n 2p "$M/.conclave/audit/checkpoint")" = "$size" ] && [ "$(conclave audit show | wc -l)" = "$size" ]
}
eventually 20 same_size
! (echo x > "$M/.conclave/audit/checkpoint") 2> /dev/null || fail "the log's copy could be written"
rm "$M/secrets/control/$name"
