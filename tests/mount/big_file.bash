# A large file (2 GiB, or 256 MiB under sanitizers, which take long): written, holes and all, truncated, read back, compared.
. "$(dirname "$0")/harness.bash"
own_folders
mib=2048
if sanitized; then mib=256; fi

step "$mib MiB that no compression or hole would fake, and their checksum"
noise() { head -c "$1" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2> /dev/null; }
noise $((mib << 20)) > "$here/big"
expected=$(noise $((mib << 20)) | sha256sum)
[ "$(stat -c %s "$here/big")" = $((mib << 20)) ]
sync "$here/big"
[ "$(sha256sum < "$here/big")" = "$expected" ] || fail "read back differs"
echo 1 > /proc/sys/vm/drop_caches 2> /dev/null || true
[ "$(sha256sum < "$here/big")" = "$expected" ] || fail "read back from the servers differs"
[ "$(sha256sum < "$M2/$name/big")" = "$expected" ] || fail "the other mount reads something else"

step "overwritten across a chunk's end, truncated and grown: the same as a local file"
python3 - "$here/patched" "$local/patched" <<'PYTHON'
import os, random, sys
chunk = 64 << 20
rng = random.Random(7)
files = [os.open(p, os.O_RDWR | os.O_CREAT) for p in sys.argv[1:]]
def both(action):
    for f in files: action(f)
for _ in range(60):
    offset = rng.choice([0, chunk - 5000, 2 * chunk - 70000, rng.randrange(3 * chunk)])
    data = rng.randbytes(rng.randrange(1, 200000))
    both(lambda f: os.pwrite(f, data, offset))
    if rng.random() < 0.2:
        size = rng.choice([0, chunk, chunk + 1, rng.randrange(3 * chunk)])
        both(lambda f: os.ftruncate(f, size))
    if rng.random() < 0.1:
        both(os.fsync)
for f in files: os.close(f)
PYTHON
cmp "$here/patched" "$local/patched"

step "holes cost nothing, read as zeros, and are found by SEEK_DATA"
truncate -s 10G "$here/sparse"
printf x | dd of="$here/sparse" bs=1 seek=5G conv=notrunc status=none
[ "$(stat -c %s "$here/sparse")" = $((10 << 30)) ]
sync "$here/sparse"
[ "$(stat -c %b "$here/sparse")" -lt 1024 ] || fail "a sparse file takes $(stat -c %b "$here/sparse") sectors"
python3 - "$here/sparse" <<'PYTHON'
import os, sys
f = os.open(sys.argv[1], os.O_RDONLY)
at = os.lseek(f, 0, os.SEEK_DATA)
assert (5 << 30) - (64 << 20) <= at <= 5 << 30, at
assert os.pread(f, 3, (5 << 30) - 1) == b"\0x\0"
assert os.pread(f, 10, (10 << 30) - 4) == b"\0\0\0\0"
PYTHON
cp --sparse=always "$here/sparse" "$here/sparse2"
[ "$(stat -c %b "$here/sparse2")" -lt 4096 ] || fail "cp --sparse made a full copy"
fallocate -p -o 0 -l $((8 << 20)) "$here/patched" && fallocate -p -o 0 -l $((8 << 20)) "$local/patched"
cmp "$here/patched" "$local/patched"
