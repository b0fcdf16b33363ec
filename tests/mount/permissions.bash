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

step "POSIX ACLs"
setfacl -m u:4343:rw file
as 4343 sh -c 'echo acl >> file'
getfacl -c file | grep -q 'user:4343:rw-'
