#!/usr/bin/env bash
# Everything that can be checked on a machine with an NVIDIA GPU, in one command; the report lies in gpu-report/.
#
# CHECK_GPU_PROVIDER=CPUExecutionProvider rehearses the steps where there is no GPU.
# CHECK_GPU_TILE (512), CHECK_GPU_RUNS (20), CHECK_GPU_OUT (gpu-report), PYTHON (.venv/bin/python): edge in pixels,
# timed calls, folder, interpreter.
# shellcheck disable=SC2329  # step calls functions by their names
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

python=${PYTHON:-.venv/bin/python}
out=${CHECK_GPU_OUT:-gpu-report}
tile=${CHECK_GPU_TILE:-512}
runs=${CHECK_GPU_RUNS:-20}
provider=${CHECK_GPU_PROVIDER:-CUDAExecutionProvider}
model=invisp_deploy/models/universal
sample=samples/canon_eos30d_IMG_0848.CR2
precisions=()

if ! command -v "$python" >/dev/null; then
    echo "There is no $python: run \`make demo\` first, or pass PYTHON=..." >&2
    exit 2
fi
if [ -e "$out" ]; then
    echo "$out exists already: move it away, or pass CHECK_GPU_OUT=another-folder" >&2
    exit 2
fi
mkdir -p "$out/logs" "$out/graphs" "$out/engines"
: >"$out/steps.tsv"

say() {
    printf '%s\n' "$*" | tee -a "$out/report.txt"
}

note() { # status, step, seconds, remark
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$out/steps.tsv"
    say "$(printf '%-8s %-32s %6s s  %s' "$@")"
}

step() { # name, command...: run it and note how it ended
    local name=$1 start=$SECONDS status=passed
    shift
    [ ! -t 2 ] || printf 'running  %s\r' "$name" >&2
    "$@" >"$out/logs/$name.log" 2>&1 || status=FAILED
    note "$status" "$name" "$((SECONDS - start))" "$(tail -n 1 "$out/logs/$name.log")"
    [ "$status" = passed ]
}

missing() { # step, reason
    note missing "$1" 0 "$2"
}

invisp() { # installed or not
    "$python" -m invisp_deploy "$@"
}

invisp_export() {
    invisp export "$@"
}

save() { # file, command...: its standard output as a file
    local file=$1
    shift
    "$@" >"$file"
}

answer() { # a Python expression over doctor.json, printed
    "$python" -c "
import json, sys
found = json.load(open(sys.argv[1]))
trial = {one['name']: one['status'] for one in found['trials']}.get
print($1)" "$out/doctor.json"
}

finish() {
    say ""
    "$python" scripts/check_gpu_report.py "$out" | tee -a "$out/report.txt"
    exit "${PIPESTATUS[0]}"
}

export_graphs() {
    if [ "$(answer "trial('torch')")" != ok ] || [ "$(answer "trial('onnx')")" != ok ]; then
        missing export "PyTorch or onnx is not installed: only the shipped fp32 graphs are measured"
        mkdir "$out/graphs/fp32"
        cp "$model"/{forward,inverse}.onnx{,.npz} "$out/graphs/fp32/"
        precisions=(fp32)
        return
    fi
    local precision scales="$out/scales.json" options
    if [ -e "$model/scales.json" ]; then
        scales=$model/scales.json
    else
        step calibrate invisp calibrate --checkpoint "$model/weights.safetensors" "$sample" \
            --max-tiles 4 --held-tiles 1 -o "$scales" || true
    fi
    for precision in fp32 fp16 int8 fp8; do
        options=()
        case $precision in int8 | fp8) options=(--scales "$scales") ;; esac
        if step "export-$precision" invisp_export onnx --checkpoint "$model/weights.safetensors" \
            --precision "$precision" "${options[@]}" -o "$out/graphs/$precision"; then
            precisions+=("$precision")
        fi
    done
}

runs_fp8() { # whether the GPU at hand does, or a rehearsal
    "$python" -c "
import json, sys
capability = json.load(open(sys.argv[1]))['machine'].get('capability', 'sm89')
sys.exit(int(capability.removeprefix('sm')) < 89)" "$out/doctor.json"
}

verify_graphs() {
    local precision
    case $(answer "trial('onnxruntime $provider') or 'absent'") in
        absent)
            missing "onnxruntime $provider" "this ONNX Runtime does not have it: pip install onnxruntime-gpu (docs/install.md)"
            return
            ;;
    esac
    for precision in "${precisions[@]}"; do
        step "onnxruntime-$precision" invisp verify --model "$out/graphs/$precision" \
            --provider "$provider" --tile "$tile" --runs "$runs" --report "$out/onnxruntime-$precision.json" || true
    done
    for precision in "${precisions[@]}"; do
        [ "$precision" != fp32 ] || continue
        if [ "$(answer "trial('polygraphy')")" = ok ]; then
            step "layers-$precision" save "$out/layers-$precision.txt" invisp verify --layers --provider "$provider" \
                --engine "$out/graphs/$precision/forward.onnx" --reference "$out/graphs/fp32/forward.onnx" || true
        else
            missing "layers-$precision" "polygraphy is not installed: pip install '.[verify]'"
        fi
    done
}

plugin() { # TensorRT for RTX inside ONNX Runtime, by pip alone
    local precision plugin=NvTensorRTRTXExecutionProvider
    if [ "$(answer "trial('onnxruntime $plugin')")" != ok ]; then
        missing "$plugin" "$(answer "next(one['text'] for one in found['trials'] if one['name'] == 'onnxruntime $plugin')")"
        return
    fi
    for precision in "${precisions[@]}"; do
        step "plugin-$precision" invisp verify --model "$out/graphs/$precision" \
            --provider "$plugin" --tile "$tile" --runs "$runs" --report "$out/plugin-$precision.json" || true
    done
}

engines() { # backend
    local backend=$1 precision way name options=() built
    if [ "$(answer "trial('$backend')")" != ok ]; then
        missing "$backend" "$(answer "next(one['text'] for one in found['trials'] if one['name'] == '$backend')")"
        return
    fi
    if [ "$gpu" = none ]; then
        if [ "$backend" = tensorrt ]; then
            missing "$backend" "it builds only where a GPU is"
            return
        fi
        options=(--target sm89)
    fi
    for precision in "${precisions[@]}"; do
        if [ "$precision" = fp8 ] && ! runs_fp8; then
            missing "$backend-fp8" "this GPU has no fp8: it needs sm89 or later"
            continue
        fi
        engine "$backend" "$precision" "$backend-$precision" --tile "$tile" "${options[@]}"
    done
    local last=${precisions[-1]}
    [ "$last" != fp8 ] || last=int8
    engine "$backend" "$last" "$backend-range" --profile "$tile" "$tile" "$((2 * tile))" "${options[@]}"
}

engine() { # backend, folder of graphs, name, options of the build: both directions built, verified, run by two threads
    local backend=$1 graphs=$out/graphs/$2 name=$3 folder=$out/engines/$3 built=yes way
    shift 3
    mkdir "$folder"
    for way in forward inverse; do
        step "build-$name-$way" invisp_export engine "$graphs/$way.onnx" --backend "$backend" "$@" --no-cache \
            -o "$folder/$way.trt" || built=no
    done
    [ "$built" = yes ] || return 0
    if [ "$gpu" = none ]; then
        missing "$name" "built, but there is no GPU to run it"
        return
    fi
    step "$name" invisp verify --model "$folder" --runs "$runs" --report "$out/$name.json" || true
    step "threads-$name" "$python" scripts/two_threads.py "$folder/forward.trt" || true
}

pytorch() {
    if [ "$(answer "trial('torch')")" != ok ]; then
        missing pytorch "PyTorch is not installed"
        return
    fi
    local device=cuda
    [ "$provider" != CPUExecutionProvider ] || device=cpu
    if [ "$device" = cuda ] && ! "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
        missing pytorch "this PyTorch finds no CUDA"
        return
    fi
    for way in eager compile; do
        step "pytorch-$way" "$python" scripts/bench_torch.py "$model/weights.safetensors" --device "$device" \
            --tile "$tile" --runs "$runs" --mode "$way" --report "$out/pytorch-$way.json" || true
    done
}

say "invisp-deploy on $(uname -m), $(date -u +%Y-%m-%dT%H:%M:%SZ), tiles of ${tile}x${tile}, $provider"
step doctor save "$out/doctor.json" invisp doctor --json || finish
gpu=$(answer "found['machine']['gpu']")
if [ "$gpu" = none ] && [ -z "${CHECK_GPU_PROVIDER:-}" ]; then
    note FAILED gpu 0 "no GPU: the NVIDIA driver finds none on this machine, so nothing was checked"
    finish
fi
if [ "$gpu" = none ]; then
    missing gpu "no GPU: this is a rehearsal on $provider, which says nothing about one"
else
    note passed gpu 0 "$gpu"
fi
export_graphs
verify_graphs
plugin
engines tensorrt
engines tensorrt-rtx
pytorch
finish
