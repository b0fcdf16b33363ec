# A wrong or missing key, a busy port, a damaged certificate: a clear sentence, exit 1, data untouched.
. "$(dirname "$0")/harness.bash"
own_cluster
conclave up --mount "$M"
echo kept > "$M/file" && sync "$M/file"
conclave down
nothing_left

for config in dirserver/dirserver lockserver/lockserver vault/vault mount/mount fileserver-1/fileserver; do
  file=$CONCLAVE_DIR/$config.toml
  cp "$file" "$ROOT/good"
  step "$config: unknown key"
  printf '\n[server2]\ncolour = "blue"\n' >> "$file"
  refused "$(basename "$file"):[0-9]+: .*colour|$(basename "$file"):[0-9]+: .*server2" conclave up --mount "$M"
  step "$config: missing key"
  grep -v '^certificate' "$ROOT/good" > "$file"
  refused 'certificate' conclave up --mount "$M"
  step "$config: not TOML"
  echo 'this is = = not' > "$file"
  refused "$(basename "$file"):[0-9]+" conclave up --mount "$M"
  step "$config: missing"
  rm "$file"
  refused "$(basename "$file")" conclave up --mount "$M"
  cp "$ROOT/good" "$file"
done

step "a value out of range"
sed -i 's/^replicas = .*/replicas = 99/' "$CONCLAVE_DIR/dirserver/dirserver.toml"
refused 'replicas' conclave up
sed -i 's/^replicas = .*/replicas = 2/' "$CONCLAVE_DIR/dirserver/dirserver.toml"

step "a busy port"
port=$(sed -n 's/^dir = ".*:\([0-9]*\)"/\1/p' "$CONCLAVE_DIR/cluster.toml")
python3 -c "
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('127.0.0.1', $port)); s.listen()
print('bound', flush=True); sys.stdin.read()" < <(sleep 60) > "$ROOT/bound" & holder=$!
eventually 10 grep -q bound "$ROOT/bound"
refused "$port.*(in use|taken)|(in use|taken).*$port" conclave up --mount "$M"
kill $holder; wait $holder 2> /dev/null || true

step "a certificate of another cluster"
CONCLAVE_HOME=$ROOT/other-home conclave init --dir "$ROOT/other" > /dev/null
cp -a "$CONCLAVE_DIR/dirserver" "$ROOT/saved"
cp "$ROOT/other/dirserver/server".* "$CONCLAVE_DIR/dirserver/"
refused 'certificate|cluster' conclave up --mount "$M"
cp "$ROOT/saved/server".* "$CONCLAVE_DIR/dirserver/"
echo damaged > "$CONCLAVE_DIR/dirserver/server.key"
refused 'key|certificate' conclave up --mount "$M"
cp "$ROOT/saved/server".* "$CONCLAVE_DIR/dirserver/"

step "all of it mended: the data are as they were"
conclave up --mount "$M"
[ "$(cat "$M/file")" = kept ]
finish_own_cluster warnings
