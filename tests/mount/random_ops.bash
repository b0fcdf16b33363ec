# Random operations on one file, against an array in memory: on the local disk, which tests the test; on one mount; and
# on two mounts in turns. CONCLAVE_RANDOM_SEEDS="7 8 9" says which; the same seed repeats the same operations.
. "$(dirname "$0")/harness.bash"
own_folders
count=3
[ -z "${CONCLAVE_DEEP:-}" ] || count=12
seeds=${CONCLAVE_RANDOM_SEEDS:-$(seq $count)}
for seed in $seeds; do
  "$CONCLAVE_BUILD/random_ops" "$local" "$seed" 500
  "$CONCLAVE_BUILD/random_ops" "$here" "$seed" 500
  "$CONCLAVE_BUILD/random_ops" "$here" "$seed" 500 "$M2/$name"
done
