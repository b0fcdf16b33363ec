# SQLite with four writers at once, in WAL and in rollback mode: every row once, and sound.
. "$(dirname "$0")/harness.bash"
own_folders
for mode in wal delete truncate persist; do
  python3 - "$here/$mode.db" $mode <<'PYTHON'
import multiprocessing, sqlite3, sys
path, mode = sys.argv[1:]
writers, rows = 4, 40
db = sqlite3.connect(path)
assert db.execute(f"pragma journal_mode={mode}").fetchone()[0] == mode, "the journal mode is refused"
db.execute("create table t (writer int, row int, text text, primary key (writer, row))")
db.commit()
db.close()

def write(writer):
    own = sqlite3.connect(path, timeout=120, isolation_level=None)
    for row in range(rows):
        own.execute("begin immediate")
        own.execute("insert into t values (?, ?, ?)", (writer, row, "x" * (row * 37 % 5000)))
        own.execute("commit")
    own.close()

children = [multiprocessing.Process(target=write, args=(w,)) for w in range(writers)]
for c in children: c.start()
for c in children: c.join()
assert all(c.exitcode == 0 for c in children), [c.exitcode for c in children]
db = sqlite3.connect(path)
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
assert db.execute("select count(*) from t").fetchone()[0] == writers * rows
for row, length in db.execute("select row, length(text) from t"):
    assert length == row * 37 % 5000
PYTHON
done
