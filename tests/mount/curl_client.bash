# docs/protocol.md's client in curl, as it is written there: what it writes is on the mount, at once.
. "$(dirname "$0")/harness.bash"
own_folders
trap 'code=$?; cd /; rm -rf "$local" "$here"; rm -f "$M/from-curl"; exit $code' EXIT

ls "$M" > /dev/null  # the mount knows the root's names, and must hear of one more
sed -n '/^<!-- curl -->$/,/^```$/p' "$SOURCE/docs/protocol.md" | sed '1,2d;$d' > "$local/client"
grep -q OpenSession "$local/client" || fail "docs/protocol.md has no client"
D=$CONCLAVE_DIR bash "$local/client" > "$local/read"
[ "$(cat "$local/read")" = "hello from curl" ]
[ "$(cat "$M/from-curl")" = "hello from curl" ]
[ "$(cat "$M2/from-curl")" = "hello from curl" ]
