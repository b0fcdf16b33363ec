# scripts/bench runs from its beginning to its end, and each row that it was asked for has figures. What they are is no matter.
. "$(dirname "$0")/harness.bash"

# What it starts lies where every user can go, as build/ may not: ten of them store secrets.
home=$(mktemp -d)
trap 'rm -rf --one-file-system "$home"' EXIT
chmod 755 "$home"
cp "$CONCLAVE_BUILD"/{conclave,fs_bench} "$home"
for program in fio gcc gnuplot pkg-config; do
  command -v $program > /dev/null || fail "$program is missing; run scripts/install-packages --dev"
done
export TMPDIR=$home CONCLAVE_BUILD=$home
timeout -s INT 300 "$SOURCE/scripts/bench" --quick --rows create,read-random,secrets --out "$home/out" > "$home/said" 2>&1 ||
  fail "scripts/bench ended with $?: $(cat "$home/said")"
cat "$home/out/table.md"
! grep -F " $home/" /proc/self/mountinfo || fail "a mount is left"
! ps -eo args | grep -F "$home/" | grep -v grep || fail "a process is left"

python3 - "$home/out" <<'PYTHON'
import json, pathlib, re, sys
import xml.etree.ElementTree as xml
out = pathlib.Path(sys.argv[1])
targets = ("ext4", "passthrough", "conclave")

def cells(name):
    """Rows of a table, by their first cell; figures as numbers."""
    lines = [line for line in (out / name).read_text().splitlines() if line.startswith("| ")]
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    number = lambda text: float(text.replace(",", "")) if re.fullmatch(r"[\d,]+(\.\d+)?", text) else text
    return rows[0], {row[0]: [number(c) for c in row[1:]] for row in rows[1:]}

results = json.loads((out / "results.json").read_text())
measured = {(r["row"], r["threads"]): r["values"] for r in results["rows"]}
assert set(measured) == {("create", 1), ("create", 4), ("read-random", 1)}, measured
for values in measured.values():
    assert set(values) == set(targets) and all(len(v) == 1 and v[0] > 0 for v in values.values()), measured
parts = {name.split()[0] for name in results["resident_mib"]}
assert parts == {"dirserver", "lockserver", "vault", "fileserver", "mount-daemon"}, parts
assert all(0 < mib < 256 for mib in results["resident_mib"].values()), results["resident_mib"]

head, table = cells("table.md")
assert head == ["row", *targets, "bound", "conclave / bound"], head
labels = {"create + write 4 KiB + close /s": ("create", 1), "create + write 4 KiB + close /s ×4": ("create", 4),
          "random read 4 KiB /s": ("read-random", 1)}
assert set(table) == set(labels), table
for label, row in table.items():
    for target, figure in zip(targets, row):
        assert figure > 0 and abs(figure - measured[labels[label]][target][0]) <= 1, (label, target, figure)
    assert row[3] == "passthrough" and row[4] > 0, row

head, costs = cells("costs.md")
assert len(costs) == 3 and all(row[0] > 0 for row in costs.values()), costs

writers = [r["writers"] for r in results["secrets"]]
assert writers == [1, 5, 10, 15, 20], writers
for r in results["secrets"]:
    assert r["errors"] == 0 and r["per_second"] > 0 and 0 < r["median_ms"] <= r["worst_ms"], r
head, secrets = cells("secrets.md")
assert [int(w) for w in secrets] == writers and all(row[0] > 0 for row in secrets.values()), secrets
for graph in ("secrets-speed.svg", "secrets-errors.svg"):
    assert xml.parse(out / graph).getroot().tag.endswith("svg"), graph
PYTHON
