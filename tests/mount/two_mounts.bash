# Two mounts see each other's changes at once: no time-out has to pass.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name

step "content, size and time, back and forth"
for i in $(seq 1 50); do
  echo "round $i" > "$here/ping"
  [ "$(cat "$there/ping")" = "round $i" ] || fail "round $i is not seen"
  echo "answer $i" >> "$there/ping"
  [ "$(tail -n 1 "$here/ping")" = "answer $i" ] || fail "answer $i is not seen"
  [ "$(stat -c '%s %y' "$here/ping")" = "$(stat -c '%s %y' "$there/ping")" ] || fail "attributes differ in round $i"
done

step "one large read(2) ends where the file was cut there"
python3 - "$here/cut" "$there/cut" <<'PYTHON'
import os, sys
a, b = (os.open(p, os.O_RDWR | os.O_CREAT) for p in sys.argv[1:])
for i in range(20):  # read in several requests, of which the later ones find nothing
    os.ftruncate(a, 0)
    os.pwrite(a, b"x" * 3000000, 0)
    os.ftruncate(b, 600000 + i)
    got = len(os.pread(a, 3000000, 0))
    assert got == 600000 + i, (i, got)
PYTHON

step "names"
ls "$there" > /dev/null
mkdir "$here/d" && [ -d "$there/d" ]
touch "$there/d/x" && [ -e "$here/d/x" ]
mv "$here/d/x" "$here/d/y" && [ ! -e "$there/d/x" ] && [ -e "$there/d/y" ]
rm "$there/d/y" && [ ! -e "$here/d/y" ]
[ -z "$(ls "$here/d")" ] && rmdir "$there/d" && [ ! -e "$here/d" ]
chmod 600 "$here/ping" && [ "$(stat -c %a "$there/ping")" = 600 ]

step "a directory removed or replaced there, still open here, has no names left"
mkdir "$here"/{removed,replaced,other}
python3 - "$here" "$there" <<'PYTHON'
import os, sys
here, there = sys.argv[1:]
kept = [os.open(f"{here}/{name}", os.O_RDONLY) for name in ("removed", "replaced")]
assert [os.fstat(f).st_nlink for f in kept] == [2, 2]
os.rmdir(f"{there}/removed")
os.rename(f"{there}/other", f"{there}/replaced")
assert [os.fstat(f).st_nlink for f in kept] == [0, 0], [os.fstat(f).st_nlink for f in kept]
PYTHON

step "a file kept open on one side is read on the other as it is written"
exec 5> "$here/open"
for i in $(seq 1 20); do
  echo "$i" >&5
  [ "$(tail -n 1 "$there/open")" = "$i" ] || fail "line $i of an open file is not seen"
done
exec 5>&-

step "unlinked there, still open here"
echo kept > "$here/kept"
exec 5< "$here/kept"
rm "$there/kept"
[ ! -e "$here/kept" ] && [ "$(cat <&5)" = kept ] || fail "an open file was lost"
exec 5<&-

step "an exclusive create has one winner"
for i in $(seq 1 30); do
  (set -C; echo a > "$here/race$i") 2> /dev/null & first=$!
  won=0
  (set -C; echo b > "$there/race$i") 2> /dev/null && won=1
  wait $first && won=$((won + 1)) || true
  [ $won -eq 1 ] || fail "$won winners in race $i"
done

step "a large file written here, patched there, read here"
head -c 20000000 /dev/urandom > "$local/large"
cp "$local/large" "$here/large"
printf patched | tee >(dd of="$there/large" bs=1 seek=7654321 conv=notrunc status=none) |
  dd of="$local/large" bs=1 seek=7654321 conv=notrunc status=none
eventually 10 cmp "$local/large" "$here/large"
cmp "$local/large" "$there/large"
