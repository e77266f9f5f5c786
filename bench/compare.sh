#!/usr/bin/env bash
# Measures the gateway beside the OpenTelemetry Collector: records per CPU-second, one after the other, as a ratio.
#
#   bench/compare.sh KIT [CASE…]
#
# KIT is the folder of a comparison kit with compare.sh, build.sh and configs/ (a Collector, a load generator, sinks). It is
# no part of this repository; without it nothing is measured, and this script says so. CASE is OURS:THEIRS:RECORDS; OURS is
# a file in bench/peers/. RUNS and SECONDS_OF_LOAD (3 and 6 unless set) may be set in the environment.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kit=${1:-}
if [ -z "$kit" ] || [ ! -x "$kit/compare.sh" ]; then
  echo "bench/compare.sh: no comparison kit at '${kit}'. Nothing was measured. Give the folder that holds compare.sh." >&2
  exit 2
fi
shift
cases=("$@")
if [ ${#cases[@]} -eq 0 ]; then
  for records in 200 2000; do
    cases+=("passthrough:passthrough:$records" "passthrough-durable:passthrough+durable:$records")
    cases+=("chain:chain+tuned:$records" "chain-uncached:chain+tuned:$records" "chain-durable:chain+tuned+durable:$records")
  done
fi
node="$here/../node_modules/.bin/node"
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
for case in "${cases[@]}"; do
  IFS=: read -r ours theirs records <<<"$case"
  echo "== $ours beside $theirs, $records records a request"
  "$kit/compare.sh" --peer "$theirs" --records "$records" --runs "${RUNS:-3}" --seconds "${SECONDS_OF_LOAD:-6}" \
    --target-port 4319 --target-cwd "$here/.." --out "$data/out.jsonl" \
    --target-cmd "rm -rf '$data/run'; exec '$node' src/main.ts run --config bench/peers/$ours.yaml --data-dir '$data/run'"
done
