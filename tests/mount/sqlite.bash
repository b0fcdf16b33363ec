# SQLite with four writers at once, in WAL and in rollback mode: sound, and row for row what the same writers make of a
# database on the local disk.
. "$(dirname "$0")/harness.bash"
own_folders
write() {  # DATABASE MODE
  python3 - "$@" <<'PYTHON'
import multiprocessing, random, sqlite3, sys
path, mode = sys.argv[1:]
writers, rows = 4, 40
db = sqlite3.connect(path)
assert db.execute(f"pragma journal_mode={mode}").fetchone()[0] == mode, "the journal mode is refused"
db.execute("create table t (writer int, row int, text text, primary key (writer, row))")
db.commit()
db.close()

def text(writer, row):  # of up to 5000 bytes, which no two rows share
    return random.Random(writer * rows + row).randbytes(row * 37 % 2500).hex()

def write(writer):
    own = sqlite3.connect(path, timeout=120, isolation_level=None)
    for row in range(rows):
        own.execute("begin immediate")
        own.execute("insert into t values (?, ?, ?)", (writer, row, text(writer, row)))
        if row % 3 == 2:
            own.execute("update t set text = text || 'again' where writer = ? and row = ?", (writer, row - 1))
            own.execute("delete from t where writer = ? and row = ?", (writer, row - 2))
        own.execute("commit")
    own.close()

children = [multiprocessing.Process(target=write, args=(w,)) for w in range(writers)]
for c in children: c.start()
for c in children: c.join()
assert all(c.exitcode == 0 for c in children), [c.exitcode for c in children]
db = sqlite3.connect(path)
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
PYTHON
}
dump() { sqlite3 "$1" .dump | sort; }  # the order of rows is that of the commits, which race
for mode in wal delete truncate persist; do
  write "$here/$mode.db" $mode
  write "$local/$mode.db" $mode
  dump "$local/$mode.db" > "$local/expected"
  [ "$(grep -c '^INSERT' "$local/expected")" = $((4 * (40 - 13))) ] || fail "the local database has other rows"
  cmp <(dump "$here/$mode.db") "$local/expected" || fail "in mode $mode a row differs"
  cmp <(dump "$M2/$name/$mode.db") "$local/expected" || fail "in mode $mode the other mount reads other rows"
done
