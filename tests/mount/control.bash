# /.conclave: what a mount says of itself, read-only.
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
