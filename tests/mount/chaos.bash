# A short form of scripts/chaos: kills, freezes and cuts under programs whose every acknowledged byte is compared.
set -euo pipefail
rm -rf --one-file-system "$ROOT"
"$SOURCE/scripts/chaos" --faults 12 --seed 1 --folder "$ROOT"
