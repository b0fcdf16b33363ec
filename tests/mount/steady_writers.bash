# Programs that overwrite the same files as fast as they can, without fsync: none of them stops, what a mount holds of it
# goes down to nothing when they end, and the files have what was written last.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name
held() { awk '$1 == "held_bytes" {print $2}' "$M/.conclave/stats"; }

step "six programs, each overwrites a file 128 times"
python3 - "$here" <<'PYTHON'
import os, random, sys
from multiprocessing import Process
here, blocks, block, rounds = sys.argv[1], 32, 16384, 4096

def content(who, number, version):
    return b"%d %d %d " % (who, number, version) + bytes([version % 251]) * (block - 32)

def writer(who):
    rng, newest = random.Random(who), {}
    f = os.open(f"{here}/{who}", os.O_RDWR | os.O_CREAT)
    for version in range(rounds):
        number = rng.randrange(blocks)
        os.pwrite(f, content(who, number, version), number * block)
        newest[number] = version
    for number, version in newest.items():
        expected = content(who, number, version)
        assert os.pread(f, len(expected), number * block) == expected, (who, number, version)
    with open(f"{here}/{who}.newest", "w") as o:
        o.writelines(f"{number} {version}\n" for number, version in newest.items())

programs = [Process(target=writer, args=(who,)) for who in range(6)]
for p in programs: p.start()
for p in programs: p.join()
assert [p.exitcode for p in programs] == [0] * 6, [p.exitcode for p in programs]
PYTHON

step "nothing to write is nothing held"
nothing_held() { [ "$(held)" = 0 ]; }
eventually 60 nothing_held

step "the other mount reads what was written last"
python3 - "$there" <<'PYTHON'
import os, sys
there, block = sys.argv[1], 16384
for who in range(6):
    with open(f"{there}/{who}", "rb") as f:
        for line in open(f"{there}/{who}.newest"):
            number, version = map(int, line.split())
            expected = b"%d %d %d " % (who, number, version) + bytes([version % 251]) * (block - 32)
            f.seek(number * block)
            assert f.read(len(expected)) == expected, (who, number, version)
PYTHON
