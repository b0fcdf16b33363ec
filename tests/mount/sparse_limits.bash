# One byte at 4 EiB, or the largest size there is: D keeps a row or two, F nothing for a size and one block for a byte.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
here=$M/$name
mkdir "$here"
files=1000
largest=9223372036854775807
copies=2
d_bytes() { stat -c %s "$CONCLAVE_DIR"/dirserver/data/dir.db{,-wal} | awk '{sum += $1} END {print sum}'; }
f_bytes() { du -sc -B1 "$@" "$CONCLAVE_DIR"/fileserver-*/data | awk 'END {print $1}'; }  # on the disk, or --apparent-size
chunks() { find "$CONCLAVE_DIR"/fileserver-*/data -path '*/chunks/*' -type f -printf '%k\n'; }  # KiB of each
gone() { [ "$(chunks | wc -l)" = 0 ]; }

step "sizes up to the largest"
python3 - "$here/far" $largest <<'PYTHON'
import errno, os, sys
path, largest = sys.argv[1], int(sys.argv[2])
f = os.open(path, os.O_RDWR | os.O_CREAT)
os.pwrite(f, b"x", 4 << 60)
os.fsync(f)
assert os.fstat(f).st_size == (4 << 60) + 1
assert os.pread(f, 2, (4 << 60) - 1) == b"\0x"
assert os.pread(f, 5, 0) == b"\0" * 5
os.ftruncate(f, 100)
assert os.pread(f, 200, 0) == b"\0" * 100
os.close(f)
os.truncate(path, largest)
assert os.stat(path).st_size == largest
f = os.open(path, os.O_RDWR)
assert os.pread(f, 3, largest - 3) == b"\0" * 3
try:
    os.pwrite(f, b"a", largest)
    raise SystemExit("a byte beyond the largest size was taken")
except OSError as e:
    assert e.errno in (errno.EFBIG, errno.EINVAL), e
os.close(f)
PYTHON
truncate -s 0 "$here/far"
truncate -s $largest "$here/far"
rm "$here/far"

step "$files files of the largest size cost D less than 4 KiB each, and F nothing"
# D's write-ahead log grows to 16 MiB and is then written anew from its start: these files bring it there.
mkdir "$here/ordinary"
(cd "$here/ordinary" && seq -f 'file-%04g' 3000 | xargs touch && sync -d .)
[ "$(stat -c %s "$CONCLAVE_DIR/dirserver/data/dir.db-wal")" -ge $((16 << 20)) ] || fail "D's log is not at its length"
eventually 60 gone   # far's
before_d=$(d_bytes) before_f=$(f_bytes) before_apparent=$(f_bytes --apparent-size)
mkdir "$here/sparse"
(cd "$here/sparse" && seq -f 'file-%04g' $files | xargs truncate -s $largest && seq -f 'file-%04g' $files | xargs sync)
[ "$(find "$here/sparse" -size $((largest))c | wc -l)" = $files ] || fail "not all have the largest size"
grown=$(($(d_bytes) - before_d))
echo "D grew by $grown bytes, $((grown / files)) for each file"
[ $grown -lt $((files * 4096)) ] || fail "D's database grew by $grown bytes"
[ "$(f_bytes)" = "$before_f" ] || fail "F's store grew by $(($(f_bytes) - before_f)) bytes on the disk"
apparent=$(f_bytes --apparent-size)
[ "$apparent" = "$before_apparent" ] || fail "F's files grew from $before_apparent to $apparent bytes"

step "one byte in each, at 4 EiB or the last: D as before, and F one block for each copy"
python3 - "$here/sparse" $largest <<'PYTHON'
import os, sys
folder, largest = sys.argv[1], int(sys.argv[2])
for i, name in enumerate(sorted(os.listdir(folder))):
    f = os.open(f"{folder}/{name}", os.O_RDWR)
    at = (4 << 60) if i % 2 == 0 else largest - 1
    assert os.pwrite(f, b"x", at) == 1
    os.fsync(f)
    assert os.pread(f, 2, at - 1) == b"\0x", name
    assert os.fstat(f).st_size == largest
    os.close(f)
PYTHON
grown=$(($(d_bytes) - before_d))
echo "D grew by $grown bytes, $((grown / files)) for each file"
[ $grown -lt $((files * 4096)) ] || fail "D's database grew by $grown bytes"
# The journal has its length from the start, and passes the bytes on: the sector of 4 KiB that begins a chunk, the block of
# 64 KiB that ends one, and for each some checksums.
arrived() {
  [ "$(chunks | wc -l)" = $((files * copies)) ] && [ $(($(f_bytes) - before_f)) -ge $((files / 2 * copies * (65536 + 4096))) ]
}
eventually 60 arrived
grown=$(($(f_bytes) - before_f))
echo "F grew by $grown bytes, $((grown / files / copies)) for each copy"
[ $grown -le $((files * copies * 65536)) ] || fail "F's store grew by $grown bytes"
chunks | awk '$1 > 64 + 16 {exit 1}' || fail "a chunk with one byte takes $(chunks | sort -n | tail -n 1) KiB"

step "removed, they cost nothing"
rm -r "$here/sparse"
eventually 120 gone
finish_own_cluster
