# Disks that lose a chunk's file, get a byte of a journal flipped, or are restored from a backup: nothing reads as anything
# else than what was written, no good copy is given up, and `status` and `recover` say what happened.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M" --fileservers 3 > /dev/null

# FILE PLACE: the path of its first chunk's copy at its master (0) or the next member (1).
copy_of() {
  python3 - "$CONCLAVE_DIR" "$(stat -c %i "$1")" "$2" << 'END'
import os, shutil, sqlite3, struct, sys, tempfile
folder, inode, place = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
copy = tempfile.mkdtemp()
for name in ("dir.db", "dir.db-wal"):
    path = f"{folder}/dirserver/data/{name}"
    if os.path.exists(path): shutil.copy(path, copy)
db = sqlite3.connect(copy + "/dir.db")
chunk, members = db.execute("SELECT chunk, members FROM chunks WHERE inode = ? AND position = 0", (inode,)).fetchone()
server = struct.unpack(">I", members[1 + 4 * place:5 + 4 * place])[0]
name = db.execute("SELECT name FROM servers WHERE id = ?", (server,)).fetchone()[0]
shutil.rmtree(copy)
print(f"{folder}/fileserver-{name}/data/chunks/{chunk & 255:02x}/{chunk:016x}")
END
}
put() { head -c "$2" /dev/urandom | tee "$ROOT/want.$(basename "$1")" | dd of="$1" conv=fsync status=none bs=1M iflag=fullblock; }
right() { cmp -s "$ROOT/want.$(basename "$1")" "$1"; }
restart() { conclave down > /dev/null; "$@"; conclave up --mount "$M" > /dev/null; }
flip() { python3 -c "
import sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(int(sys.argv[2])); byte = f.read(1); f.seek(int(sys.argv[2])); f.write(bytes([byte[0] ^ 255]))" "$1" "$2"; }
kill_file_servers() {
  local one
  for one in 1 2 3; do kill -9 "$(pid_of fileserver-$one)"; done
}

step "a master's chunk file is deleted: the other copy is read, and written to, and kept"
put "$M/deleted" 262144
restart rm "$(copy_of "$M/deleted" 0)"
right "$M/deleted"
printf changed | dd of="$M/deleted" bs=1 seek=200000 conv=notrunc,fsync status=none
printf changed | dd of="$ROOT/want.deleted" bs=1 seek=200000 conv=notrunc status=none
right "$M/deleted"

step "a byte of a journal is flipped: all that was synced is right"
mkdir "$M/journal"
for i in $(seq 30); do put "$M/journal/$i" 20000; done
kill_file_servers
journal=$(ls "$CONCLAVE_DIR"/fileserver-1/data/journal-* | tail -n 1)
flip "$journal" "$(python3 -c "
import sys
print(4096 + (len(open(sys.argv[1], 'rb').read().rstrip(b'\0')) - 4096) // 2)" "$journal")"
conclave down --force > /dev/null
conclave up --mount "$M" > /dev/null
for i in $(seq 30); do right "$M/journal/$i" || fail "journal/$i is not what was written"; done

step "a file server is restored from a backup: status says so, and all is right"
for i in $(seq 10); do put "$M/restored$i" 100000; done
restart cp -a "$CONCLAVE_DIR/fileserver-2/data" "$ROOT/hour-ago"
for i in $(seq 10); do put "$M/restored$i" 100000; done
sleep 2   # what is told with heartbeats
restore() { rm -rf "$CONCLAVE_DIR/$1/data"; cp -a "$2" "$CONCLAVE_DIR/$1/data"; }
restart restore fileserver-2 "$ROOT/hour-ago"
eventually 10 file_servers_up 3
conclave status | grep -q 'fileserver-2 came back with less than it had'
refused 'nothing was changed' conclave recover fileserver 2
for i in $(seq 10); do right "$M/restored$i" || fail "restored$i is not what was written"; done
conclave recover fileserver fileserver-2 --yes | grep -q 'Accepted'
! conclave status | grep -q 'fileserver-2 came back with less' || fail "status still warns"

step "a directory server is restored from a backup: it serves nothing until it is accepted, and gives no number twice"
restart cp -a "$CONCLAVE_DIR/dirserver/data" "$ROOT/dir-hour-ago"
for i in $(seq 10); do put "$M/private$i" 100000; done
conclave down > /dev/null
restore dirserver "$ROOT/dir-hour-ago"
refused 'older than what file server|recover dirserver' conclave up --mount "$M"
eventually 20 bash -c "'$CONCLAVE' status 2>&1 | grep -q 'serves nothing; see .conclave recover dirserver'"
refused 'nothing was changed' conclave recover dirserver
conclave recover dirserver --yes | grep -q 'Accepted'
conclave up --mount "$M" > /dev/null
right "$M/deleted"
for i in $(seq 10); do
  printf end | dd of="$M/sparse$i" bs=1 seek=60000 conv=fsync status=none
  head -c 60000 "$M/sparse$i" | cmp -s - <(head -c 60000 /dev/zero) || fail "sparse$i shows another file's bytes"
done

finish_own_cluster warnings
