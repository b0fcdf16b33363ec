# Modes, owners and the sticky bit hold for other users, and uid 0 passes them.
. "$(dirname "$0")/harness.bash"
own_folders
cd "$here"
as() { setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"; }
denied() { ! as "$@" 2> /dev/null || fail "user $1 was allowed: ${*:2}"; }

chmod 755 .
echo mine > file && chmod 640 file
denied 4242 cat file
denied 4242 sh -c 'echo x > file'
chmod 644 file
[ "$(as 4242 cat file)" = mine ]
denied 4242 sh -c 'echo x >> file'
denied 4242 touch other
denied 4242 chmod 777 file

mkdir -m 1777 shared
as 4242 sh -c 'echo a > shared/a'
[ "$(stat -c %u:%g shared/a)" = 4242:4242 ]
denied 4343 rm -f shared/a
denied 4343 mv shared/a shared/b
as 4242 mv shared/a shared/b
chown 4343:4343 shared/b
[ "$(stat -c %u shared/b)" = 4343 ]
denied 4242 chown 4242 shared/b

step "umask, setgid folders, and suid cleared by a write"
(umask 077; touch private) && [ "$(stat -c %a private)" = 600 ]
mkdir group && chown :4242 group && chmod 2775 group
touch group/x && mkdir group/y
[ "$(stat -c %g group/x)" = 4242 ] && [ "$(stat -c %g group/y)" = 4242 ] && [ -g group/y ]
cp /bin/true suid && chown 4242 suid && chmod 4755 suid
as 4242 sh -c 'echo >> suid'
[ ! -u suid ] || fail "a write left the set-user-id bit"

python3 - <<'PYTHON'
import os
def mode(): return oct(os.stat("suid").st_mode & 0o7777)
def as_owner(act):
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([]); os.setgid(4242); os.setuid(4242); act()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
def opened(act, flags=os.O_RDWR):
    def run():
        act(os.open("suid", flags))
    return run
changes = {
    "write": opened(lambda f: os.write(f, b"x")),
    "ftruncate": opened(lambda f: os.ftruncate(f, 1)),
    "ftruncate beyond the end": opened(lambda f: os.ftruncate(f, 1 << 20)),
    "O_TRUNC": opened(lambda f: None, os.O_WRONLY | os.O_TRUNC),
    "fallocate": opened(lambda f: os.posix_fallocate(f, 0, 2 << 20)),
    "chown": lambda: os.chown("suid", -1, 4242),
}
for name, change in changes.items():
    os.chmod("suid", 0o6755)
    as_owner(change)
    assert mode() == "0o755", (name, mode())
    os.link("suid", "again"); os.unlink("again")  # what the directory server says of it is overtaken
    assert mode() == "0o755", ("after " + name, mode())

# Bits that are set after the write that ended the old ones stay.
os.chmod("suid", 0o6755)
as_owner(opened(lambda f: (os.write(f, b"x"), os.fchmod(f, 0o4755), os.fsync(f))))
assert mode() == "0o4755", mode()
os.chmod("suid", 0o6755)
as_owner(opened(lambda f: (os.write(f, b"y" * 100000), os.ftruncate(f, 5), os.fsync(f))))
assert mode() == "0o755", mode()

# File capabilities (cap_net_raw here) go with anybody's write, root's too.
capability = bytes.fromhex("0100000200200000000000000000000000000000")
f = os.open("capable", os.O_RDWR | os.O_CREAT)
for change in (lambda: os.write(f, b"x"), lambda: os.ftruncate(f, 0)):
    os.write(f, b"first")
    os.setxattr("capable", "security.capability", capability)
    os.fsync(f)
    assert os.getxattr("capable", "security.capability") == capability, "the write before it took it away"
    change()
    try:
        os.getxattr("capable", "security.capability")
        raise SystemExit("a write left the file's capabilities")
    except OSError:
        pass
PYTHON

step "POSIX ACLs"
setfacl -m u:4343:rw file
as 4343 sh -c 'echo acl >> file'
getfacl -c file | grep -q 'user:4343:rw-'
