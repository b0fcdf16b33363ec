# Secrets on a mount: what the tour does not show. Quorum, denial, veto, expiry, interrupts, uids, and that no byte of a
# secret is anywhere on a disk or in the page cache.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
for person in alice bob carol; do conclave account create $person; done
conclave account list | grep -c -E 'alice|bob|carol' | grep -qx 3
refused 'exist|already' conclave account create alice
conclave policy set /secrets/prod --approvers alice,bob,carol --quorum 2 --grant 10m --request 15m --program-arguments
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

step "the grant lasts: a second reader asks nobody"
[ "$(cat "$M/secrets/prod/db")" = "$secret" ]

step "read(2) gives it, and whatever would go through the page cache does not: no page of it is there"
# mincore(2) tells which pages of a mapping the page cache holds. The mapping is made once: on a file with direct I/O each
# new one empties the page cache first, and would find nothing. A log has direct I/O too and answers the same reads: that
# its page is found after each shows that the question is answered.
rev <<< "$secret" | tr -d '\n' > "$M/sensors/log"
python3 - "$M/secrets/prod/db" "$M/sensors/log" "$secret" "$ROOT" <<'PYTHON'
import ctypes, errno, mmap, os, resource, signal, sys
secret, log, text, root = sys.argv[1], sys.argv[2], sys.argv[3].encode(), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
libc.write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

class Opened:
    def __init__(self, path):
        self.f = os.open(path, os.O_RDONLY)
        assert os.fstat(self.f).st_size == len(text)  # so that a mapping reaches as far
        self.mapped = libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ, mmap.MAP_SHARED, self.f, 0)
        assert self.mapped != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    def in_page_cache(self):
        pages = ctypes.create_string_buffer(1)
        assert libc.mincore(self.mapped, mmap.PAGESIZE, pages) == 0, os.strerror(ctypes.get_errno())
        return pages.raw[0] & 1 == 1
    def read(self): return len(os.pread(self.f, 1000, 0))
    def touch(self, kind):  # in a child, for the signal
        pid = os.fork()
        if pid == 0:
            os._exit(0 if mmap.mmap(self.f, 0, kind, mmap.PROT_READ)[:] in (text, text[::-1]) else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return len(text) if code == 0 else code
    def private(self): return self.touch(mmap.MAP_PRIVATE)
    def shared(self): return self.touch(mmap.MAP_SHARED)
    def readahead(self):  # asked for by fadvise; the kernel, which copies from the mapping, waits for it
        os.posix_fadvise(self.f, 0, 0, os.POSIX_FADV_WILLNEED)
        n = libc.write(os.memfd_create("sink"), self.mapped, len(text))
        if n < 0: raise OSError(ctypes.get_errno(), "write")
        return n
    def splice(self): return os.splice(self.f, os.pipe()[1], len(text), offset_src=0)
    def send_to_pipe(self): return os.sendfile(os.pipe()[1], self.f, 0, len(text))
    def send_to_file(self): return os.sendfile(os.memfd_create("sink"), self.f, 0, len(text))
    def copy_range(self): return os.copy_file_range(self.f, os.open(root + "/sink", os.O_WRONLY | os.O_CREAT), len(text), 0, 0)

def outcome(call):
    try:
        return call()
    except OSError as e:
        return errno.errorcode[e.errno]

sealed = Opened(secret)
for way, answer in (("read", len(text)), ("private", -signal.SIGBUS), ("shared", -signal.SIGBUS), ("readahead", "EFAULT"),
                    ("splice", "EINVAL"), ("send_to_pipe", "EINVAL"), ("send_to_file", "EINVAL")):
    found = outcome(getattr(sealed, way))
    assert found == answer, f"{way} of a secret: {found}"
    assert not sealed.in_page_cache(), f"{way} leaves a secret in the page cache"
assert outcome(sealed.copy_range) in ("EINVAL", "EXDEV"), "a secret is copied out"
assert not sealed.in_page_cache(), "copy_file_range leaves a secret in the page cache"
assert os.pread(sealed.f, 1000, 0) == text

open_to_all = Opened(log)
for way in "private", "shared", "readahead", "splice", "send_to_pipe", "send_to_file":
    mmap.mmap(open_to_all.f, 0, mmap.MAP_SHARED, mmap.PROT_READ).close()  # empties the page cache
    assert not open_to_all.in_page_cache()
    assert outcome(getattr(open_to_all, way)) == len(text), f"{way} of a log: {outcome(getattr(open_to_all, way))}"
    assert open_to_all.in_page_cache(), f"the page that {way} left is not found: this test shows nothing"
PYTHON
refused 'mmap leaves pages|splice leaves pages' conclave page-cache-test "$M/sensors/log"
conclave page-cache-test "$M/.conclave/page-cache-test"
rm "$M/sensors/log"

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
step "the policy whose path is nearest is the one, whatever folder is there"
mkdir "$M/secrets/prod/inner"
echo -n early > "$M/secrets/prod/inner/early"
conclave policy set /secrets/prod/inner --approvers alice --quorum 1
echo -n later > "$M/secrets/prod/inner/early"   # written anew, it is under the policy that was set within
rm -r "$M/secrets/prod/inner"
mkdir "$M/secrets/prod/inner"
refused 'Permission denied' bash -c "echo -n astray > '$M/secrets/prod/inner/astray'"
[ -z "$(ls "$M/secrets/prod/inner")" ] || fail "a refused secret left a name"
conclave policy set /secrets/prod/inner --approvers alice --quorum 1
echo -n home > "$M/secrets/prod/inner/astray"
rm -r "$M/secrets/prod/inner"

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

step "the first poll(2) files it and waits: POLLIN at the quorum, POLLERR after a denial"
cat > "$ROOT/poll.py" <<'PYTHON'
import errno, os, select, sys
path, how = sys.argv[1:]
f = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
poll = select.poll() if how == "poll" else select.epoll()
def events(ms): return [e for _, e in poll.poll(ms if how == "poll" else ms / 1000)]
def say(*what): print(*what, flush=True)
poll.register(f, select.POLLIN)
assert events(0) == [], "ready before anybody voted"
def read():
    try:
        return os.read(f, 1000).decode()
    except OSError as e:
        return errno.errorcode[e.errno]
assert read() == "EAGAIN", "read before anybody voted"
say("waits")
found = events(300000)  # ready after one vote of two, it would read EAGAIN
say({(select.POLLIN,): "POLLIN", (select.POLLERR,): "POLLERR"}.get(tuple(found), found), read())
assert events(0) == found, "what was decided is not told again"
PYTHON
wrote_more() { [ "$(wc -l < "$ROOT/polled")" -gt 1 ]; }
said() { grep -qxF "$1" "$ROOT/polled"; }
for how in poll epoll; do
  echo -n "$secret-$how" > "$M/secrets/prod/db"
  python3 "$ROOT/poll.py" "$M/secrets/prod/db" $how > "$ROOT/polled" & poller=$!
  eventually 10 said waits
  eventually 10 one_pending
  id=$(pending)
  conclave show "$id" --as bob | grep -q "program .*poll.py" || fail "the request of $how does not tell its program"
  conclave approve "$id" --as bob
  [ "$(cat "$ROOT/polled")" = waits ] || fail "$how wakes before the quorum: $(cat "$ROOT/polled")"
  conclave approve "$id" --as carol
  eventually 20 wrote_more
  wait $poller
  said "POLLIN $secret-$how" || fail "$how at the quorum: $(cat "$ROOT/polled")"

  echo -n "$secret-denied" > "$M/secrets/prod/db"
  python3 "$ROOT/poll.py" "$M/secrets/prod/db" $how > "$ROOT/polled" & poller=$!
  eventually 10 said waits
  eventually 10 one_pending
  conclave deny "$(pending)" --as bob --reason "not by poll"
  eventually 20 wrote_more
  wait $poller
  said "POLLERR EACCES" || fail "$how after a denial: $(cat "$ROOT/polled")"
  none_pending || fail "polling after a denial filed another request"
done

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

step "a script names a request whole, and reasons are for who decides"
echo -n "$secret-5" > "$M/secrets/prod/db"
conclave request "$M/secrets/prod/db" --reason "for few eyes"
id=$(pending)
[ ${#id} = 64 ] || fail "--json gives no whole id: $id"
refused '64 digits' conclave approve "${id:0:8}" --as bob < /dev/null
refused '64 digits' conclave deny "${id:0:8}" --as bob --reason no < /dev/null
conclave show "${id:0:8}" --as bob | grep -q 'for few eyes' || fail "an approver does not see the reason"
! conclave requests --json | grep -q 'for few eyes' || fail "a machine sees the reason"
! conclave audit show | grep -q 'for few eyes' || fail "the reason stands in the log"
! grep -raqF 'for few eyes' "$M/.conclave/audit" || fail "the reason stands in the log's files"

step "an older version opens for who asks for it by its number"
conclave deny "$id" --as bob --reason "another one"
conclave request "$M/secrets/prod/db" --reason "the one before" --version 8
id=$(pending)
conclave show "$id" --as bob > "$ROOT/shown"
grep -q 'db, version 8$' "$ROOT/shown" && grep -q 'an older one: version 9 is current' "$ROOT/shown" || fail "show says $(cat "$ROOT/shown")"
conclave approve "$id" --as bob
conclave approve "$id" --as carol
[ "$(timeout 20 cat "$M/secrets/prod/db")" = "$secret-4" ] || fail "not the one that was asked for"
conclave request "$M/secrets/prod/db" --reason "the newest again"
id=$(pending)

step "approvals of two requests that failed: the secret asks for a new version"
conclave approve "$id" --as bob
conclave deny "$id" --as carol --reason "not for you"
! conclave requests --json | grep -q "$id" || fail "denied, and it waits still"
conclave request "$M/secrets/prod/db" --reason "once more"
id=$(pending)
conclave approve "$id" --as carol
conclave deny "$id" --as bob --reason "not for you either"
conclave secret list --json | python3 -c '
import json, sys
[s] = [s for s in json.load(sys.stdin) if s["path"] == "/secrets/prod/db"]
assert s["exposed"] is True and s["exposed_by"] == ["alice", "bob", "carol"], s   # alice, who asked, has her own share'
conclave audit verify | grep -q '^EXPOSED: /secrets/prod/db'
conclave status | grep -q 'secrets are exposed' || fail "status does not say it"
echo -n "$secret-6" > "$M/secrets/prod/db"
! conclave audit verify | grep -q '^EXPOSED' || fail "a new version, and it is exposed still"

step "shares that follow the quorum: with the next command, or at once while somebody watches"
conclave policy set /secrets/later --approvers alice,bob,carol --quorum 2 --disclose after-quorum
echo -n later > "$M/secrets/later/x"
cat "$M/secrets/later/x" > "$ROOT/opened" & reader=$!
eventually 10 one_pending
id=$(pending)
conclave approve "$id" --as bob
conclave approve "$id" --as carol | grep -q 'Approved by carol: 2 of 2 (1 more shares to follow), pending'
[ -d /proc/$reader ] && [ ! -s "$ROOT/opened" ] || fail "it opened without bob's share"
conclave requests --watch --as bob > "$ROOT/watched" 2>&1 & watcher=$!
eventually 20 grep -q "Your share went to request ${id:0:8}" "$ROOT/watched"
wait $reader && [ "$(cat "$ROOT/opened")" = later ] || fail "the shares are there, and cat printed $(cat "$ROOT/opened")"
kill $watcher; wait $watcher 2> /dev/null || true

step "the audit log verifies and tells the story"
conclave audit verify
conclave audit show | grep -qi release
conclave audit show | grep -qi den

step "wrong passphrase, unknown identity, logout"
echo wrong > "$ROOT/wrong"
CONCLAVE_PASSPHRASE_FILE=$ROOT/wrong refused 'passphrase' conclave approve "$id" --as bob
refused "no identity 'mallory'" conclave approve "$id" --as mallory
conclave logout
! timeout 20 cat "$M/secrets/prod/db" 2> /dev/null || fail "read after logout"

step "no byte of it on any disk: neither the servers' files nor the logs"
sync
! grep -raF "$secret" "$ROOT/cluster" "$ROOT/home" || fail "the secret lies in a server's file"
memory_within_limit
finish_own_cluster warnings
