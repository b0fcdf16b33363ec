# 20,000 files in one directory: each listed once, each there, and gone again.
. "$(dirname "$0")/harness.bash"
own_folders
python3 - "$here" <<'PYTHON'
import os, sys
here = sys.argv[1]
names = [f"file-{i:05}" for i in range(20000)]
for name in names:
    with open(os.path.join(here, name), "w") as f:
        f.write(name)
listed = os.listdir(here)
assert len(listed) == len(set(listed)) == 20000, len(listed)
assert set(listed) == set(names)
assert sum(e.stat().st_size for e in os.scandir(here)) == 20000 * 10
for name in names[::97]:
    assert open(os.path.join(here, name)).read() == name
PYTHON
[ "$(ls "$M2/$name" | wc -l)" = 20000 ] || fail "the other mount lists $(ls "$M2/$name" | wc -l)"
find "$here" -type f -newermt '1 day ago' | wc -l | grep -qx 20000
find "$here" -name 'file-1*' -delete
[ "$(ls "$here" | wc -l)" = 10000 ]
rm -rf "$here"
[ ! -e "$here" ] && mkdir "$here"
