#!/usr/bin/env bash
# Serve a repository of `invisp export triton` by a real Triton server on the CPU, and compare what comes out of it.
#
# The server is the one in PyPI's nvidia-pytriton (56 MB, x86-64), which brings one backend, for Python. So a Python
# model of ten lines stands in for its ONNX Runtime backend and runs the very graph that lies in the repository; the
# rest of config.pbtxt, the warm-up and the client are as they are. PYTHON must have invisp_deploy's base install; the
# folder (TRITON_WORK, default work/triton) is kept, so that a second run downloads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

python=$(realpath -s "${PYTHON:-.venv/bin/python}")
mkdir -p "${TRITON_WORK:-work/triton}"
work=$(realpath "${TRITON_WORK:-work/triton}")
port=${TRITON_PORT:-38417}
sample=$root/samples/canon_powershot_s40_0101.CRW
graphs=invisp_deploy/models/universal
version=$("$python" -c 'import sys; print(f"{sys.version_info.major}.{sys.version_info.minor}")')

if [ ! -x "$work/bin/tritonserver" ]; then
    "$python" -m pip download --quiet --no-deps --dest "$work" nvidia-pytriton
    "$python" -m zipfile --extract "$work"/nvidia_pytriton-*.whl "$work/wheel"
    inner=$work/wheel/pytriton/tritonserver
    mkdir -p "$work/bin"
    cp -r "$inner/backends" "$work"
    cp "$inner/python_backend_stubs/$version/triton_python_backend_stub" "$work/backends/python"
    cp "$inner/bin/tritonserver" "$work/bin"
    # its Python backend returns empty arrays from NumPy 2
    "$python" -m venv "$work/server" && "$work/server/bin/pip" install --quiet 'numpy<2' onnxruntime
    "$python" -m venv "$work/client" && "$work/client/bin/pip" install --quiet . 'tritonclient[http]'
    chmod +x "$work/bin/tritonserver" "$work/backends/python/triton_python_backend_stub"
fi

rm -rf "$work/repository" "$work/out"
mkdir "$work/out"
"$python" -m invisp_deploy export triton -o "$work/repository"
for model in "$work"/repository/*; do
    sed -i 's/^platform: "onnxruntime_onnx"$/backend: "python"/' "$model/config.pbtxt"
    cat >"$model/1/model.py" <<'EOF'
import onnxruntime
import triton_python_backend_utils as utils


class TritonPythonModel:
    def initialize(self, args):
        path = f"{args['model_repository']}/{args['model_version']}/model.onnx"
        self.session = onnxruntime.InferenceSession(path)
        self.names = [output.name for output in self.session.get_outputs()]

    def execute(self, requests):
        made = [self.session.run(self.names, {one.name(): one.as_numpy() for one in each.inputs()}) for each in requests]
        return [utils.InferenceResponse(list(map(utils.Tensor, self.names, arrays))) for arrays in made]
EOF
done

PATH=$work/server/bin:$PATH PYTHONPATH=$(echo "$work"/server/lib/python*/site-packages) \
    LD_LIBRARY_PATH=$work/wheel/nvidia_pytriton.libs \
    "$work/bin/tritonserver" --model-repository="$work/repository" --backend-directory="$work/backends" \
    --http-address=127.0.0.1 --http-port="$port" --allow-grpc=false --allow-metrics=false >"$work/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 60); do
    "$python" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$port/v2/health/ready')" 2>/dev/null && break
    kill -0 $server 2>/dev/null || { tail -20 "$work/server.log"; exit 1; }
    sleep 1
done

client() { "$work/client/bin/python" examples/triton_client.py --url "127.0.0.1:$port" "$@"; }
client --golden "$graphs"/*.npz
client "$sample" -o "$work/out/served.jpg"
client "$work/out/served.jpg" -o "$work/out/served.dng"
"$work/client/bin/invisp-run" "$sample" -o "$work/out/here.jpg"
"$work/client/bin/invisp-run" "$work/out/here.jpg" --raw-budget 0 -o "$work/out/here.dng"
cmp "$work/out/served.jpg" "$work/out/here.jpg"
cmp "$work/out/served.dng" "$work/out/here.dng"
echo "Triton $(grep -o 'server_version  *| [0-9.]*' "$work/server.log" | grep -o '[0-9.]*$'): files equal to invisp-run's"
