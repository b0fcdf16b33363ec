# O_APPEND from several processes on two mounts: every line once and whole.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name
writer() { for i in $(seq 1 100); do echo "$2 $i" >> "$1/log"; done; }
writer "$here" a & writer "$here" b & writer "$there" c & writer "$there" d &
wait
[ "$(wc -l < "$here/log")" = 400 ] || fail "$(wc -l < "$here/log") lines instead of 400"
for who in a b c d; do
  diff <(grep "^$who " "$there/log") <(seq 1 100 | sed "s/^/$who /") > /dev/null || fail "$who's lines are not all there in order"
done

step "fcntl(2) takes O_APPEND away"
python3 - "$here/flags" <<'PYTHON'
import fcntl, os, sys
f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(f, b"abc")
fcntl.fcntl(f, fcntl.F_SETFL, fcntl.fcntl(f, fcntl.F_GETFL) & ~os.O_APPEND)
os.pwrite(f, b"X", 0)
assert os.pread(f, 10, 0) == b"Xbc", os.pread(f, 10, 0)
fcntl.fcntl(f, fcntl.F_SETFL, fcntl.fcntl(f, fcntl.F_GETFL) | os.O_APPEND)
os.write(f, b"d")
assert os.pread(f, 10, 0) == b"Xbcd", os.pread(f, 10, 0)
PYTHON

step "a log only grows: what would change a byte of it, or cut it, is EPERM"
log=$M/sensors/kept
rm -f "$log" "$M/sensors/other"
: > "$log"
python3 - "$log" "$M/sensors/other" "$here/plain" <<'PYTHON'
import errno, fcntl, mmap, os, sys
log, other, plain = sys.argv[1:]
old = os.open(log, os.O_RDWR)              # opened when it was empty: without O_APPEND, and the log has grown since
f = os.open(log, os.O_RDWR | os.O_APPEND)
kept = b"line one\n" * 1000                # more than a page
os.write(f, kept)
def refused(code, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == code, (call, args, e)
    else:
        raise SystemExit(f"{call.__name__} {args} was not refused")
    assert os.pread(f, len(kept) + 1, 0) == kept, f"{call.__name__} {args} changed the log"
for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_TRUNC,
              os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND | os.O_TRUNC):
    refused(errno.EPERM, os.open, log, flags)
for at in (0, 4, len(kept) - 1, len(kept) + 1, 1 << 40):
    refused(errno.EPERM, os.pwrite, old, b"X", at)
for size in (0, 1, len(kept) - 1, len(kept) + 1, 1 << 40):
    refused(errno.EPERM, os.ftruncate, old, size)
    refused(errno.EPERM, os.ftruncate, f, size)
    refused(errno.EPERM, os.truncate, log, size)
with open(other, "ab") as o: o.write(b"other")
with open(plain, "wb") as p: p.write(b"plain")
refused(errno.EPERM, os.rename, other, log)
refused(errno.EPERM, os.rename, plain, log)
refused(errno.EPERM, os.copy_file_range, os.open(plain, os.O_RDONLY), old, 5, 0, 0)
# A store through a shared mapping is an error when it is written back, and never arrives.
def store(fd):
    with mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as m:
        m[0:4] = b"LINE"
        m.flush()
refused(errno.EOPNOTSUPP, store, old)
refused(errno.EOPNOTSUPP, store, f)
os.pwrite(old, b"at the end\n", len(kept))  # happens to be there
assert os.pread(f, len(kept) + 100, 0) == kept + b"at the end\n"
PYTHON
{ printf 'line one\n%.0s' {1..1000}; echo 'at the end'; } > "$local/kept"
for mount in "$M" "$M2"; do
  cmp "$local/kept" "$mount/sensors/kept"
  [ "$(cat "$mount/sensors/other")" = other ] || fail "a refused rename took a log away"
done
! sh -c ': > "$1"' - "$M2/sensors/kept" 2> /dev/null || fail "the other mount's shell truncates it"
! truncate -s 0 "$M2/sensors/kept" 2> /dev/null || fail "truncate(1) cuts it on the other mount"
! dd if=/dev/zero of="$M2/sensors/kept" bs=1 count=1 conv=notrunc 2> /dev/null || fail "dd overwrites it"
for way in -n -p -z; do ! fallocate $way -o 0 -l 4096 "$M2/sensors/kept" 2> /dev/null || fail "fallocate $way takes it"; done
cmp "$local/kept" "$M2/sensors/kept"
rm "$M/sensors/kept" "$M/sensors/other"

step "nothing is written below /chat, where it would lie in clear text"
for try in 'echo hi >> "$1/chat/log"' 'mkdir "$1/chat/rooms"' 'ln -s text "$1/chat/link"' 'mv "$2" "$1/chat/moved"'; do
  ! sh -c "$try" - "$M" "$here/plain" 2> "$local/why" || fail "$try is taken"
  grep -q 'not supported' "$local/why" || fail "$try: $(cat "$local/why")"
done
[ -z "$(ls -A "$M/chat")" ] || fail "/chat holds $(ls -A "$M/chat")"

step "a log grows out of its first chunk"
head -c 70000000 /dev/urandom > "$local/bytes"
cat "$local/bytes" >> "$M/sensors/grown"
cmp "$local/bytes" "$M2/sensors/grown"
echo "the last record" | tee -a "$local/bytes" >> "$M2/sensors/grown"
sync "$M2/sensors/grown"
cmp "$local/bytes" "$M/sensors/grown"
rm "$M/sensors/grown"
