# After all tests: nobody grew beyond its limit, nothing is left, nobody warned.
. "$(dirname "$0")/harness.bash"
conclave status
memory_within_limit
conclave down
nothing_left
refused 'holds no cluster' conclave down --dir "$ROOT/nowhere"
rm -rf --one-file-system "$ROOT"
