# A tree of a few hundred files through cp -a, rsync and tar; bytes and attributes stay.
. "$(dirname "$0")/harness.bash"
own_folders
tree=$local/tree
cp -a /usr/include/linux "$tree"
python3 - "$tree" <<'PYTHON'
import os, sys
walk = os.walk(sys.argv[1], topdown=False)
inside = [os.path.join(folder, name) for folder, folders, files in walk for name in files + folders]
for i, path in enumerate(inside + [sys.argv[1]]):  # a time of its own for each, to the nanosecond
    at = 1_500_000_000_123_456_789 + i * 86_400_000_000_007
    os.utime(path, ns=(at, at), follow_symlinks=False)
PYTHON
cp -a "$tree" "$here/cp"
same "$tree" "$here/cp"
rsync -a "$tree/" "$here/rsync/"
same "$tree" "$here/rsync"
mkdir "$here/tar" && tar -C "$tree" --format=posix -c . | tar -C "$here/tar" -xp
same "$tree" "$here/tar"
cp -a "$here/cp" "$local/back"
same "$tree" "$local/back"
cmp <(sort -R --random-source=/dev/zero "$here/cp/fs.h") <(sort -R --random-source=/dev/zero "$tree/fs.h")
