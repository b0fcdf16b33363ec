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

step "a log grows out of its first chunk"
head -c 70000000 /dev/urandom > "$local/bytes"
cat "$local/bytes" >> "$M/sensors/grown"
cmp "$local/bytes" "$M2/sensors/grown"
echo "the last record" | tee -a "$local/bytes" >> "$M2/sensors/grown"
sync "$M2/sensors/grown"
cmp "$local/bytes" "$M/sensors/grown"
rm "$M/sensors/grown"
