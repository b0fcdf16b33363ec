# A file server is killed for good while programs write on two mounts: nobody sees an error, everything is there, and two
# copies of everything again after dir.heal_after. Then one is drained and removed.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave init
sed -i 's/^\[dir\]/[dir]\nheal_after = "2s"/' "$CONCLAVE_DIR/dirserver/dirserver.toml"
grep -q heal_after "$CONCLAVE_DIR/dirserver/dirserver.toml" || echo -e '\n[dir]\nheal_after = "2s"' >> "$CONCLAVE_DIR/dirserver/dirserver.toml"
conclave up --fileservers 4 --mount "$M"
conclave mount "$M2"

writer() {  # MOUNT NAME: files of 1 to 300 KiB, synced, each listed once it is
  python3 - "$1" "$2" "$ROOT" <<'PY'
import hashlib, os, sys, time
mount, name, root = sys.argv[1:]
folder = f"{mount}/{name}"
os.mkdir(folder)
longest = 0
with open(f"{root}/{name}.list", "w") as listed:
    number = 0
    while not os.path.exists(f"{root}/stop") or number < 20:
        data = hashlib.sha256(f"{name} {number}".encode()).digest() * (32 + number * 37 % 9600)
        begun = time.monotonic()
        with open(f"{folder}/{number}", "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        longest = max(longest, time.monotonic() - begun)
        print(number, hashlib.sha256(data).hexdigest(), file=listed, flush=True)
        number += 1
print(f"{name}: {number} files, the longest write with its fsync took {longest:.2f} s")
PY
}
readable() {  # MOUNT NAME: all that was listed
  python3 - "$1" "$2" "$ROOT" <<'PY'
import hashlib, sys
mount, name, root = sys.argv[1:]
for line in open(f"{root}/{name}.list"):
    number, digest = line.split()
    found = hashlib.sha256(open(f"{mount}/{name}/{number}", "rb").read()).hexdigest()
    if found != digest:
        raise SystemExit(f"{name}/{number} is another")
PY
}
health() { conclave status --json | python3 -c "import json, sys; print(json.load(sys.stdin)['dir']$1)"; }
healed() { [ "$(health "['under_replicated']")" = 0 ]; }

step "kill -9 a file server under writers on two mounts"
writer "$M" one > "$ROOT/one.out" 2>&1 & one=$!
writer "$M2" two > "$ROOT/two.out" 2>&1 & two=$!
eventually 20 test -s "$ROOT/one.list" -a -s "$ROOT/two.list"
victim=$(servers | grep fileserver | head -n 1)
kill -9 "$(pid_of "$victim")"
sleep 3
touch "$ROOT/stop"
wait $one || fail "a writer saw an error: $(cat "$ROOT/one.out")"
wait $two || fail "a writer saw an error: $(cat "$ROOT/two.out")"
cat "$ROOT/one.out" "$ROOT/two.out"

step "two copies of everything, without it"
eventually 60 healed
for mount in "$M" "$M2"; do readable "$mount" one; readable "$mount" two; done

step "it is removed: nothing of it is missing"
gone=${victim#fileserver-}
refused "no file server is named" conclave fileserver remove nobody
conclave fileserver remove "$gone" > /dev/null
! conclave fileserver list | grep -q "^$gone " || fail "it is listed still"

step "another is drained while it serves, and removed"
drained=$(servers | grep fileserver | grep -v "^$victim$" | head -n 1)
drained=${drained#fileserver-}
conclave fileserver drain "$drained" --wait
conclave fileserver list --json | python3 -c "import json, sys
of = {s['name']: s for s in json.load(sys.stdin)['file_servers']}
sys.exit(0 if of['$drained']['chunks'] == 0 and of['$drained']['draining'] else 1)"
conclave fileserver remove "$drained" > /dev/null
eventually 20 bash -c "! kill -0 $(pid_of "fileserver-$drained") 2> /dev/null"
for mount in "$M" "$M2"; do readable "$mount" one; readable "$mount" two; done
echo more > "$M/more" && [ "$(cat "$M2/more")" = more ]
healed

step "the last but one has copies that the last has too; the last has not"
left=$(conclave fileserver list --json | python3 -c "import json, sys
print(*(s['name'] for s in json.load(sys.stdin)['file_servers']))")
set -- $left
[ $# -eq 2 ] || fail "not two are left: $left"
conclave fileserver remove "$1" > /dev/null
refused "only copy of [0-9]+ chunks?: drain it first" bash -c "sleep 4; '$CONCLAVE' fileserver remove $2"
for mount in "$M" "$M2"; do readable "$mount" one; readable "$mount" two; done

step "a cold up starts what is left, and tells of those that were removed"
conclave down
conclave up --mount "$M" 2> "$ROOT/up.err"
grep -q "fileserver-$drained has ended" "$ROOT/up.err" || fail "up does not tell: $(cat "$ROOT/up.err")"
readable "$M" one
finish_own_cluster warnings
