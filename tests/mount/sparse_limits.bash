# One byte at 4 EiB, or the largest size there is: the directory server keeps a row or two, the file servers one block.
. "$(dirname "$0")/harness.bash"
own_folders
dir_bytes() { du -sb --apparent-size "$CONCLAVE_DIR/dirserver/data" | awk '{print $1}'; }
file_bytes() { du -sc "$CONCLAVE_DIR"/fileserver-*/data | awk 'END {print $1}'; }
before_file=$(file_bytes)
python3 - "$here" <<'PYTHON'
import errno, os, sys
here = sys.argv[1]
largest = (1 << 63) - 1
f = os.open(here + "/far", os.O_RDWR | os.O_CREAT)
os.pwrite(f, b"x", 4 << 60)
os.fsync(f)
assert os.fstat(f).st_size == (4 << 60) + 1
assert os.pread(f, 2, (4 << 60) - 1) == b"\0x"
assert os.pread(f, 5, 0) == b"\0" * 5
os.ftruncate(f, 100)
assert os.pread(f, 200, 0) == b"\0" * 100
os.close(f)
os.truncate(here + "/far", largest)
assert os.stat(here + "/far").st_size == largest
f = os.open(here + "/far", os.O_RDWR)
assert os.pread(f, 3, largest - 3) == b"\0" * 3
try:
    os.pwrite(f, b"a", largest)
    raise SystemExit("a byte beyond the largest size was taken")
except OSError as e:
    assert e.errno in (errno.EFBIG, errno.EINVAL), e
os.close(f)
PYTHON
truncate -s 0 "$here/far"
truncate -s 9223372036854775807 "$here/far"
rm "$here/far"
after_file=$(file_bytes)
[ $((after_file - before_file)) -lt 70000 ] || fail "the file servers grew by $((after_file - before_file)) KiB"
[ "$(dir_bytes)" -lt $((64 << 20)) ] || fail "the directory server's database has $(dir_bytes) bytes"
