# flock and fcntl locks hold between mounts; who waits gets them when they are free, or is interrupted.
. "$(dirname "$0")/harness.bash"
own_folders
there=$M2/$name
touch "$here/lock"
python3 - "$here/lock" "$there/lock" <<'PYTHON'
import errno, fcntl, os, signal, sys, time
a, b = (os.open(p, os.O_RDWR) for p in sys.argv[1:])

def refused(fd, kind):
    try:
        kind(fd)
        return False
    except OSError as e:
        assert e.errno in (errno.EAGAIN, errno.EACCES), e
        return True

exclusive = lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(a, fcntl.LOCK_EX)
assert refused(b, exclusive)
fcntl.flock(a, fcntl.LOCK_SH)
fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB)
fcntl.flock(a, fcntl.LOCK_UN)
fcntl.flock(b, fcntl.LOCK_UN)

# A waiter is woken by the release, at once and not by polling.
fcntl.flock(a, fcntl.LOCK_EX)
read, write = os.pipe()
child = os.fork()
if child == 0:
    fd = os.open(sys.argv[2], os.O_RDWR)
    os.write(write, b"w")
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(write, b"g")
    os._exit(0)
assert os.read(read, 1) == b"w"
time.sleep(0.3)
fcntl.flock(a, fcntl.LOCK_UN)
start = time.monotonic()
assert os.read(read, 1) == b"g"
assert time.monotonic() - start < 5
assert os.waitpid(child, 0)[1] == 0

# Ranges of POSIX locks, between processes and mounts.
fcntl.lockf(a, fcntl.LOCK_EX, 100, 0)
child = os.fork()
if child == 0:
    fd = os.open(sys.argv[2], os.O_RDWR)
    ranged = lambda start: lambda f: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, start)
    ok = refused(fd, ranged(50)) and not refused(fd, ranged(100))
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0, "ranges"

# A signal ends a wait.
child = os.fork()
if child == 0:
    fd = os.open(sys.argv[2], os.O_RDWR)
    class Alarm(Exception): pass
    def alarm(*_): raise Alarm()
    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX, 100, 0)
        os._exit(1)
    except Alarm:
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0, "an interrupted wait"
PYTHON

step "a killed holder's locks are free"
flock -F "$here/lock" sleep 100 & holder=$!
eventually 10 bash -c "! flock -n '$there/lock' true"
kill -9 $holder
wait $holder 2> /dev/null || true
flock -w 20 "$there/lock" true || fail "the lock of a dead process is still held"
