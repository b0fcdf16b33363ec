# `conclave ingest host`: four logs that grow, whole lines in the order of time, each once, whoever dies in between; and both
# mounts see a line soon after it was written.
. "$(dirname "$0")/harness.bash"
own_cluster
ingest=
trap 'code=$?; [ $code -eq 0 ] || { dump_logs; tail -n 20 "$ROOT/ingest.log" >&2; }
  [ -z "$ingest" ] || kill "$ingest" 2> /dev/null || true; conclave down --force > /dev/null 2>&1 || true; exit $code' EXIT
conclave up --mount "$M"
conclave mount "$M2"
raw=sensors/.raw/host/here/0.jsonl

# --dir, so that `processes` finds it.
start_ingest() {
  "$CONCLAVE" ingest host --dir "$CONCLAVE_DIR" --name here --interval "$1" >> "$ROOT/ingest.log" 2>&1 & ingest=$!
}
lines() { wc -l < "$1"; }
longer_than() { [ "$(lines "$1")" -gt "$2" ]; }  # FILE LINES
grown_by_rounds() {  # so many more. A killed ingest keeps its leases for half a minute.
  local before
  before=$(lines "$M/sensors/here/memory/today.csv")
  eventually 60 longer_than "$M/sensors/here/memory/today.csv" $((before + 2 * $1 - 1))
}

# The raw log: every line is whole, no round (the lines of one time) is older than the one before it, and none has a name
# twice. The four others: the same readings in the same order, below a head. Prints how many rounds there are.
check() {  # MOUNT [running]: then rounds of the raw log's end may not be in the others yet
  python3 - "$1" "${2:-}" <<'PYTHON'
import json, re, sys, datetime
mount, running = sys.argv[1], sys.argv[2] == "running"
groups = ("load", "memory", "disk", "network")
derived = {g: open(f"{mount}/sensors/here/{g}/today.csv").read() for g in groups}
raw = open(f"{mount}/sensors/.raw/host/here/0.jsonl").read()
assert raw.endswith("\n"), "the raw log ends in the middle of a line: " + raw[-200:]
form = re.compile(r'\{"n":"([a-z]+)/([^"]+)","u":"([^"]+)","v":([-+.e0-9]+),'
                  r'"t":(\d+\.\d{9}),"at":(\d+\.\d{9}),"o":"host:here"\}')
rows = {g: [] for g in groups}
last, names, rounds = 0, set(), 0
for line in raw.splitlines():
    found = form.fullmatch(line)
    assert found, "no reading: " + line
    json.loads(line)
    group, name, unit, value, time, arrived = found.groups()
    seconds, fraction = arrived.split(".")
    ns = int(seconds) * 10**9 + int(fraction)
    assert ns >= last, f"{ns} after {last}: {line}"
    if ns > last:
        last, names, rounds = ns, set(), rounds + 1
    assert (group, name) not in names, "twice: " + line
    names.add((group, name))
    if group in groups:      # a machine with sensors has "temperature" too
        day = datetime.datetime.utcfromtimestamp(int(seconds)).strftime("%Y-%m-%dT%H:%M:%S")
        rows[group].append(f"{day}.{fraction[:3]}Z,{name},{value},{unit}")
for group, text in derived.items():
    head, *have = text.splitlines()
    assert text.endswith("\n") and head == "time,name,value,unit", (group, text[:100], text[-100:])
    times = [row.split(",")[0] for row in have]
    assert times == sorted(times), group
    want = rows[group][:len(have)] if running else rows[group]
    assert have == want, (group, len(have), len(want), [pair for pair in zip(have, want) if pair[0] != pair[1]][:3])
    assert len({row.split(",")[1] for row in have}) >= {"load": 3, "disk": 1}.get(group, 2), (group, have[:9])
print(rounds)
PYTHON
}

step "mistakes on the command line"
for wrong in "--interval 10ms" "--interval 2d" "--interval soon" "--name a/b" "--name .raw"; do
  code=0
  # shellcheck disable=SC2086
  conclave ingest host $wrong > "$ROOT/said" 2>&1 || code=$?
  [ $code -eq 2 ] && [ -s "$ROOT/said" ] || fail "ingest host $wrong ended with $code: $(cat "$ROOT/said")"
done

step "a line a second, followed by tail -f through a mount while it runs"
start_ingest 1s
for group in load memory disk network; do
  eventually 20 longer_than "$M/sensors/here/$group/today.csv" 1
done
for mount in "$M" "$M2"; do
  begun=$(date -u +%Y-%m-%dT%H:%M:%S)
  # The three rows of three rounds to come.
  timeout 20 tail -n 0 -f "$mount/sensors/here/load/today.csv" | head -n 9 > "$ROOT/followed" || true
  [ "$(grep -cE '^20[-0-9]{8}T[:.0-9]{12}Z,load(1|5|15),[0-9.]+,1$' "$ROOT/followed")" -eq 9 ] ||
    fail "tail -f on $mount gave: $(cat "$ROOT/followed")"
  [ "$(cut -d, -f1 "$ROOT/followed" | sort -u | wc -l)" -eq 3 ] || fail "9 rows of three rounds were: $(cat "$ROOT/followed")"
  [[ $(head -n 1 "$ROOT/followed") > $begun ]] || fail "tail -f gave old lines: $(head -n 1 "$ROOT/followed"), begun at $begun"
done
check "$M" running
kill -INT "$ingest"; code=0; wait "$ingest" || code=$?
[ $code -eq 0 ] || fail "an interrupted ingest ended with $code"
at_rest=$(check "$M")

step "killed at any moment and started again: nothing twice, nothing torn"
for pause in 0.31 0.07 0.52 0.13 0.29 0.44; do
  start_ingest 100ms
  grown_by_rounds 2
  sleep $pause
  kill -9 "$ingest"; wait "$ingest" 2> /dev/null || true
done
start_ingest 100ms
grown_by_rounds 3
rounds=$(check "$M" running)
[ "$rounds" -ge $((at_rest + 15)) ] || fail "seven runs wrote $rounds rounds, after $at_rest"

step "the directory server dies and is started again: what was read meanwhile waits, and is written once"
kill -9 "$(pid_of dirserver)"
sleep 1
conclave up
grown_by_rounds 5
memory_within_limit
kill -INT "$ingest"; code=0; wait "$ingest" || code=$?
[ $code -eq 0 ] || fail "an interrupted ingest ended with $code"
rounds=$(check "$M")
[ "$(check "$M2")" = "$rounds" ] || fail "the two mounts differ"
cmp "$M/$raw" "$M2/$raw"
! grep -q 'dropped' "$ROOT/ingest.log" || fail "rounds were dropped: $(grep dropped "$ROOT/ingest.log")"
! grep -aE 'Sanitizer|runtime error:|CHECK|terminate called' "$ROOT/ingest.log" || fail "ingest failed"

step "what was read is there after a restart, and a log does not take other bytes"
conclave down
conclave up --mount "$M"
[ "$(check "$M")" = "$rounds" ] || fail "after a restart the logs hold something else"
! (echo x > "$M/$raw") 2> /dev/null || fail "a log could be truncated"
[ "$(check "$M")" = "$rounds" ]
ingest=
finish_own_cluster warnings
