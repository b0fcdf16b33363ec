# Mapped files: reading, private writing, and what others wrote since.
. "$(dirname "$0")/harness.bash"
own_folders
head -c 3000001 /dev/urandom > "$local/file"
cp "$local/file" "$here/file"
python3 - "$here/file" "$local/file" <<'PYTHON'
import mmap, os, sys
mounted, local = sys.argv[1:]
expected = open(local, "rb").read()
f = os.open(mounted, os.O_RDWR)
read = mmap.mmap(f, 0, mmap.MAP_SHARED, mmap.PROT_READ)
assert read[:] == expected
private = mmap.mmap(f, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
private[100:110] = b"0123456789"
private[-3:] = b"end"
assert private[100:110] == b"0123456789"
assert os.pread(f, 10, 100) == expected[100:110], "a private change reached the file"
os.pwrite(f, b"written", 2000000)
assert read[2000000:2000007] == b"written", "a mapping does not see write(2)"
shared = mmap.mmap(f, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
shared[5:9] = b"mmap"
shared.flush()
assert os.pread(f, 4, 5) == b"mmap", "read(2) does not see a shared mapping's change"
PYTHON
[ "$(dd if="$M2/$name/file" bs=1 skip=5 count=4 status=none)" = mmap ] || fail "the other mount does not see it"
cp /bin/ls "$here/ls" && "$here/ls" "$here" > /dev/null || fail "a program on the mount does not run"
