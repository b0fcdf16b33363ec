# Names, links and special files, as any local file system has them.
. "$(dirname "$0")/harness.bash"
own_folders
cd "$here"

step "names of any bytes, up to 255 of them"
longest=$(printf 'n%.0s' {1..255})
odd=$'new\nline \xff\xfe "quote" \\'
for file in "$longest" "$odd" "käse" "-rf" " "; do
  echo "$file" > "./$file"
  [ "$(cat "./$file"; echo .)" = "$file"$'\n.' ] || fail "content of a file with an odd name"
done
[ "$(find . -type f | tr -cd '\0\n' | wc -l)" -ge 5 ]
python3 - <<'PYTHON'
import os, errno
assert {os.fsencode(n) for n in os.listdir(b".")} >= {b"n" * 255, "käse".encode(), b"-rf", b" "}
try:
    open("n" * 256, "w")
    raise SystemExit("a name of 256 bytes was taken")
except OSError as e:
    assert e.errno == errno.ENAMETOOLONG, e
PYTHON
rm -- *

step "hard links share everything, and live as long as one name does"
echo one > a
ln a b
[ "$(stat -c %h a)" = 2 ] && [ "$(stat -c %i a)" = "$(stat -c %i b)" ]
echo two >> b
rm a
[ "$(cat b)" = $'one\ntwo' ] && [ "$(stat -c %h b)" = 1 ]

step "symbolic links, also dangling ones and loops"
ln -s b c && [ "$(cat c)" = $'one\ntwo' ] && [ "$(readlink c)" = b ]
ln -s nowhere dangling && [ ! -e dangling ] && [ -L dangling ]
ln -s loop loop
(cat loop 2>&1 || true) | grep -q 'Too many levels'

step "rename replaces, exchanges and refuses as renameat2(2) says"
mkdir d e && touch d/x
mv b d/b && [ ! -e b ] && [ -e d/b ]
(mv -T e d 2>&1 || true) | grep -q 'not empty'
rmdir e
(mv d d/inside 2>&1 || true) | grep -q 'subdirectory of itself'
python3 - <<'PYTHON'
import ctypes, os, errno
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags):
    return 0 if libc.renameat2(-100, a, -100, b, flags) == 0 else ctypes.get_errno()
open("l", "w").write("left"); open("r", "w").write("right")
assert renameat2(b"l", b"r", 1) == errno.EEXIST
assert renameat2(b"l", b"r", 2) == 0
assert open("l").read() == "right" and open("r").read() == "left"
PYTHON

step "fifos, sockets and devices"
mkfifo pipe
echo through > pipe &
[ "$(cat pipe)" = through ]
wait
python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("sock")'
[ -S sock ]
mknod null c 1 3 && [ "$(stat -c %t:%T null)" = 1:3 ]

step "an open file lives on without its name"
exec 5<> unlinked
rm unlinked
echo still >&5
python3 -c 'import os; assert os.pread(5, 100, 0) == b"still\n"; assert os.fstat(5).st_nlink == 0'
exec 5>&-

step "extended attributes"
touch attributed
setfattr -n user.colour -v blue attributed
[ "$(getfattr --only-values -n user.colour attributed)" = blue ]
setfattr -x user.colour attributed
! getfattr -n user.colour attributed 2> /dev/null

step "times to the nanosecond, and statfs"
touch -d '2001-02-03 04:05:06.123456789 UTC' attributed
[ "$(date -u -r attributed +%F_%T.%N)" = 2001-02-03_04:05:06.123456789 ]
[ "$(stat -f -c %b .)" -gt 0 ]

step "a directory that is being read while it changes"
mkdir moving && (cd moving && touch $(seq 1 500))
python3 - <<'PYTHON'
import os
seen = []
with os.scandir("moving") as entries:
    for i, entry in enumerate(entries):
        seen.append(entry.name)
        if i < 100:
            os.unlink("moving/" + entry.name)
            open(f"moving/new{i}", "w").close()
old = [n for n in seen if not n.startswith("new")]
assert len(old) == len(set(old)) == 500, len(old)
PYTHON
