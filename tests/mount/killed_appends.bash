# File servers are killed while two mounts append to the same files: each line whose fsync(2) returned is there once and
# whole, and a counter under flock(2) counts every step.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M" --fileservers 3
conclave mount "$M2"
mkdir "$M/work"

cat > "$ROOT/appender.py" <<'PYTHON'
import fcntl, hashlib, os, sys, time
who, path, counter, acknowledged, stop = sys.argv[1:]

def line_of(tag): return f"{tag} {hashlib.md5(tag.encode()).hexdigest()} ".ljust(95, ".").encode() + b"\n"

def step(f, lock, n, tries):
    tag = f"{who} {n} {tries}"
    os.write(f, line_of(tag))
    os.fsync(f)
    with open(acknowledged, "a") as o: o.write(tag + "\n")
    if n % 8: return
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        value = int(os.pread(lock, 20, 0) or b"0")
        with open(acknowledged + ".tried", "a") as o: o.write(f"{value + 1}\n")
        os.pwrite(lock, b"%019d\n" % (value + 1), 0)
        os.fsync(lock)
        with open(acknowledged + ".counted", "a") as o: o.write(f"{value + 1}\n")
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)

n = tries = 0
f = lock = None
while not os.path.exists(stop):
    try:
        if f is None:
            f = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            lock = os.open(counter, os.O_RDWR | os.O_CREAT)
        step(f, lock, n, tries)
        n, tries = n + 1, 0
    except OSError as e:      # what it wrote may be there or not; the next try has another number
        print(f"{who}: {e}", file=sys.stderr)
        for d in (f, lock):
            try: os.close(d)
            except (OSError, TypeError): pass
        f = lock = None
        tries += 1
        time.sleep(0.2)
    time.sleep(0.01)
PYTHON

step "four programs, twelve kills"
programs=()
for k in 0 1; do
  for root in "$M" "$M2"; do
    who=$(basename "$root")-$k
    python3 "$ROOT/appender.py" "$who" "$root/work/lines$k" "$root/work/counter" "$ROOT/$who.acknowledged" "$ROOT/stop" &
    programs+=($!)
  done
done
RANDOM=7
for i in $(seq 1 12); do
  kill -9 "$(pid_of "fileserver-$((RANDOM % 3 + 1))")"
  sleep 0.$((RANDOM % 6 + 2))
  conclave up --mount "$M" --fileservers 3 > /dev/null
  sleep 1.$((RANDOM % 6))
done
sleep 2
touch "$ROOT/stop"
for p in "${programs[@]}"; do wait "$p"; done

step "what was acknowledged is there"
python3 - "$M" "$M2" "$ROOT" <<'PYTHON'
import collections, glob, hashlib, os, sys
m, m2, root = sys.argv[1:]
total = 0
for k in range(2):
    texts = [open(f"{r}/work/lines{k}", "rb").read() for r in (m, m2)]
    assert texts[0] == texts[1], f"two mounts see lines{k} differently"
    seen = collections.Counter()
    for line in texts[0].split(b"\n")[:-1]:
        tag = b" ".join(line.split(b" ")[:3]).decode(errors="replace")
        whole = (f"{tag} {hashlib.md5(tag.encode()).hexdigest()} ").ljust(95, ".").encode()
        assert line == whole, f"lines{k} has a broken line: {line[:80]!r}"
        seen[tag] += 1
    for name in (f"mnt-{k}", f"mnt2-{k}"):
        for tag in open(f"{root}/{name}.acknowledged").read().splitlines():
            assert seen[tag] == 1, f"line '{tag}' of lines{k} is there {seen[tag]} times"
            total += 1
steps = [int(v) for p in glob.glob(f"{root}/*.counted") for v in open(p)]
assert len(steps) == len(set(steps)), "two programs counted the same step"
assert int(open(f"{m}/work/counter").read()) >= max(steps)
print(f"{total} lines, {len(steps)} steps")
assert total > 100
PYTHON
finish_own_cluster warnings
