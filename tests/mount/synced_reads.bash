# What fsync(2) has returned for on one mount, a read(2) that begins after it finds on the other: no byte less, no older
# byte, and no error of an fsync because somebody reads meanwhile.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name

python3 - "$here" "$there" <<'PYTHON'
import mmap, os, random, struct, sys
from multiprocessing import Process
here, there = sys.argv[1:]
blocks, block, files, writes = 32, 16384, 10, 60

# What was synced, for all programs to see: for each file of a writer the version of each of its blocks; behind them the
# file that it is at.
def table(): return mmap.mmap(-1, (files * blocks + 1) * 8)
def get(t, slot): return struct.unpack_from("<Q", t, slot * 8)[0]
def put(t, slot, value): struct.pack_into("<Q", t, slot * 8, value)
def content(who, file, number, version):
    head = b"%d %d %d %d " % (who, file, number, version)
    return head + bytes([version % 251]) * (block - len(head))

def writer(root, who, synced):
    try:
        write_all(root, who, synced)
    finally:
        put(synced, files * blocks, files + 1)   # the readers end

def write_all(root, who, synced):
    rng = random.Random(who)
    for file in range(files):
        f = os.open(f"{root}/{who}-{file}", os.O_RDWR | os.O_CREAT)
        put(synced, files * blocks, file + 1)
        for version in range(1, writes + 1):
            number = rng.randrange(blocks)
            os.pwrite(f, content(who, file, number, version), number * block)
            os.fsync(f)
            put(synced, file * blocks + number, version)
        os.close(f)

def reader(root, who, synced, seed):
    rng, last, f, have, reads = random.Random(seed), files * blocks, None, 0, 0
    while True:
        now = get(synced, last)
        if now == files + 1: break
        if now == 0: continue
        file = now - 1
        if have != now:
            f, have = os.open(f"{root}/{who}-{file}", os.O_RDONLY), now
        number = rng.randrange(blocks)
        before = get(synced, file * blocks + number)
        got = os.pread(f, block, number * block)
        reads += 1
        if before == 0: continue
        assert len(got) == block, f"a read of file {file} ended after {len(got)} bytes of block {number}, synced before"
        seen = list(map(int, got[:64].split(b" ")[:4]))
        assert seen[:3] == [who, file, number] and seen[3] >= before, (seen, before)
        assert got == content(*seen), f"a block of file {file} is mixed"
    print(f"{reads} reads")

programs = []
for who, (own, other) in enumerate([(here, there), (there, here)]):
    synced = table()
    programs.append(Process(target=writer, args=(own, who, synced)))
    programs += [Process(target=reader, args=(other, who, synced, 10 * who + i)) for i in range(2)]
for p in programs: p.start()
for p in programs: p.join()
assert [p.exitcode for p in programs] == [0] * len(programs), [p.exitcode for p in programs]
PYTHON
