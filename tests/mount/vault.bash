# Secrets on a mount: what the tour does not show. Quorum, denial, veto, expiry, interrupts, uids, and that no byte of a
# secret is anywhere on a disk or in the page cache.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
for person in alice bob carol; do conclave account create $person; done
conclave account list | grep -c -E 'alice|bob|carol' | grep -qx 3
refused 'exist|already' conclave account create alice
conclave policy set /secrets/prod --approvers alice,bob,carol --quorum 2 --grant 10m --request 15m
conclave policy set /secrets/brief --approvers alice,bob,carol --quorum 2 --request 4s
conclave policy set /secrets/short --approvers alice,bob,carol --quorum 2 --grant 3s

secret=hunter2-$(head -c 12 /dev/urandom | base64 | tr -d '/+=')
pending() { conclave requests --as bob --json | sed -n 's/.*"id": "\([0-9a-f]*\)".*/\1/p' | head -n 1; }
one_pending() { [ -n "$(pending)" ]; }
none_pending() { [ -z "$(pending)" ]; }

step "without a login nobody reads or writes secrets"
! echo x > "$M/secrets/prod/db" 2> /dev/null || fail "written without a login"
conclave login alice
echo -n "$secret" > "$M/secrets/prod/db"
ls -l "$M/secrets/prod" | grep -q db
[ "$(stat -c %s "$M/secrets/prod/db")" = 0 ] || fail "stat tells a sealed secret's size"
none_pending || fail "ls and stat filed a request"

step "cat waits; one approval is not enough; two are"
cat "$M/secrets/prod/db" > "$ROOT/opened" & reader=$!
eventually 10 one_pending
id=$(pending)
conclave show "$id" --as bob
conclave approve "$id" --as bob
[ -d /proc/$reader ] && [ ! -s "$ROOT/opened" ] || fail "one approval opened it"
refused 'already|own|self|twice|approved' conclave approve "$id" --as bob
refused 'own|self|requester|yourself' conclave approve "$id" --as alice
conclave approve "$id" --as carol
wait $reader
[ "$(cat "$ROOT/opened")" = "$secret" ] || fail "cat printed $(cat "$ROOT/opened")"

step "the grant lasts: a second reader asks nobody; the page cache is refused"
[ "$(cat "$M/secrets/prod/db")" = "$secret" ]
python3 - "$M/secrets/prod/db" <<'PYTHON'
import mmap, os, sys
f = os.open(sys.argv[1], os.O_RDONLY)
pid = os.fork()
if pid == 0:
    try:
        m = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
        m[0]                       # SIGBUS
    except (OSError, ValueError):
        os._exit(7)
    os._exit(0)
status = os.waitpid(pid, 0)[1]
assert status != 0, "a secret could be mapped into the page cache"
PYTHON

step "a secret stays under its policy, and among secrets there are no links"
echo -n other > "$M/secrets/brief/y"
python3 - "$M" <<'PYTHON'
import errno, os, sys
mount = sys.argv[1]
top = mount + "/secrets"
def refused(code, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == code, (call, args, e)
    else:
        raise SystemExit(f"{call.__name__} {args} was not refused")
refused(errno.EXDEV, os.rename, top + "/brief/y", top + "/prod/y")
refused(errno.EXDEV, os.rename, top + "/prod/db", mount + "/db")
refused(errno.EXDEV, os.link, top + "/prod/db", top + "/prod/db2")
refused(errno.EBUSY, os.rename, top + "/prod", top + "/other")
refused(errno.EBUSY, os.rename, top, mount + "/hidden")
refused(errno.EBUSY, os.rmdir, top)
refused(errno.EPERM, os.symlink, "/tmp", top + "/prod/link")
refused(errno.EPERM, os.mkfifo, top + "/prod/pipe")
os.rename(top + "/prod/db", top + "/prod/moved")
os.rename(top + "/prod/moved", top + "/prod/db")
PYTHON
[ "$(cat "$M/secrets/prod/db")" = "$secret" ]
cat "$M/secrets/prod/db" > "$ROOT/opened"   # to a file, as to a pipe
[ "$(cat "$ROOT/opened")" = "$secret" ] || fail "cat > file gave $(cat "$ROOT/opened")"

step "another uid without a login is refused"
! setpriv --reuid 4242 --regid 4242 --clear-groups cat "$M/secrets/prod/db" 2> /dev/null || fail "another uid read it"

step "denied"
echo -n "$secret-2" > "$M/secrets/prod/db"
cat "$M/secrets/prod/db" > "$ROOT/denied" 2> "$ROOT/why" & reader=$!
eventually 10 one_pending
conclave deny "$(pending)" --as carol --reason "not today"
code=0; wait $reader || code=$?
[ $code -eq 1 ] && grep -q 'Permission denied' "$ROOT/why" && [ ! -s "$ROOT/denied" ] || fail "denied: $code, $(cat "$ROOT/why")"

step "asked for beforehand, with a reason"
conclave request "$M/secrets/prod/db" --reason "restore of the backup"
id=$(pending)
conclave show "$id" --as bob | grep -q 'restore of the backup'
conclave approve "$id" --as bob
conclave approve "$id" --as carol
[ "$(cat "$M/secrets/prod/db")" = "$secret-2" ]

step "timed out"
echo -n brief > "$M/secrets/brief/x"
code=0; timeout 20 cat "$M/secrets/brief/x" 2> "$ROOT/why" || code=$?
grep -q 'timed out' "$ROOT/why" || fail "nobody answered, and cat said $code: $(cat "$ROOT/why")"

step "a grant that ends: the size is told while it lasts, and the next reader asks again"
echo -n short > "$M/secrets/short/x"
cat "$M/secrets/short/x" > "$ROOT/opened" & reader=$!
eventually 10 one_pending
id=$(pending)
conclave approve "$id" --as bob && conclave approve "$id" --as carol
wait $reader && [ "$(cat "$ROOT/opened")" = short ]
eventually 20 bash -c "[ \$(stat -c %s '$M/secrets/short/x') = 0 ]"
cat "$M/secrets/short/x" > "$ROOT/opened" 2> /dev/null & reader=$!
eventually 10 one_pending
conclave deny "$(pending)" --as bob --reason "once is enough"
code=0; wait $reader || code=$?
[ $code -eq 1 ] && [ ! -s "$ROOT/opened" ] || fail "read after the grant was over"

step "an interrupted reader dies at once, and its request lives on"
echo -n "$secret-3" > "$M/secrets/prod/db"
cat "$M/secrets/prod/db" & reader=$!
eventually 10 one_pending
kill -INT $reader 2> /dev/null; kill -TERM $reader 2> /dev/null || true
timeout 10 tail --pid=$reader -f /dev/null || fail "a reader that waits cannot be killed"
wait $reader 2> /dev/null || true
one_pending || fail "the request died with its reader"
id=$(pending)
cat "$M/secrets/prod/db" > "$ROOT/opened" & reader=$!
conclave approve "$id" --as bob && conclave approve "$id" --as carol
wait $reader && [ "$(cat "$ROOT/opened")" = "$secret-3" ]

step "O_NONBLOCK opens at once and files nothing"
echo -n "$secret-4" > "$M/secrets/prod/db"
python3 - "$M/secrets/prod/db" <<'PYTHON'
import errno, os, sys
f = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
try:
    os.read(f, 10)
    raise SystemExit("read without a vote")
except OSError as e:
    assert e.errno == errno.EAGAIN, e
PYTHON
none_pending || fail "a non-blocking open filed a request"
! mv "$M/secrets/prod/db" "$M/plain" 2> /dev/null < /dev/null & mover=$!
eventually 10 bash -c "! [ -d /proc/$mover ] || $CONCLAVE requests --as bob --json | grep -q '\"id\"'"
kill $mover 2> /dev/null || true; wait $mover 2> /dev/null || true
[ ! -s "$M/plain" ] || fail "mv carried a secret out without a vote"

step "the audit log verifies and tells the story"
conclave audit verify
conclave audit show | grep -qi release
conclave audit show | grep -qi den

step "wrong passphrase, unknown identity, logout"
echo wrong > "$ROOT/wrong"
CONCLAVE_PASSPHRASE_FILE=$ROOT/wrong refused 'passphrase' conclave approve "$(pending)" --as bob
refused "no identity 'mallory'" conclave approve "$(pending)" --as mallory
conclave logout
! timeout 20 cat "$M/secrets/prod/db" 2> /dev/null || fail "read after logout"

step "no byte of it on any disk: neither the servers' files nor the logs"
sync
! grep -raF "$secret" "$ROOT/cluster" "$ROOT/home" || fail "the secret lies in a server's file"
finish_own_cluster warnings
