# 20,000 files in one directory: each listed once, each with its bytes on both mounts, and gone again.
. "$(dirname "$0")/harness.bash"
own_folders
python3 - "$here" "$local" <<'PYTHON'
import os, sys
here, local = sys.argv[1:]
names = [f"file-{i:05}" for i in range(20000)]
for name in names:
    for folder in here, local:
        with open(os.path.join(folder, name), "w") as f:
            f.write(name)
listed = os.listdir(here)
assert len(listed) == len(set(listed)) == 20000, len(listed)
assert set(listed) == set(names)
assert sum(e.stat().st_size for e in os.scandir(here)) == 20000 * 10
PYTHON
names_of() { (cd "$1" && find . -mindepth 1 -printf '%P %y %s\n' | sort); }
for folder in "$here" "$M2/$name"; do
  cmp <(names_of "$local") <(names_of "$folder") || fail "$folder lists something else"
  diff -r "$local" "$folder" || fail "$folder reads something else"
done
find "$here" -type f -newermt '1 day ago' | wc -l | grep -qx 20000
find "$here" -name 'file-1*' -delete
[ "$(ls "$here" | wc -l)" = 10000 ]
rm -rf "$here"
[ ! -e "$here" ] && mkdir "$here"
