"""The tree of commands. A command's module is imported when the command is used, and no other."""

from __future__ import annotations

from typing import Final

from invisp_deploy.cli.common import LazyGroup
from invisp_deploy.cli.options import version_option

_CLI: Final = "invisp_deploy.cli"

main: Final = version_option(
    LazyGroup(
        "invisp",
        {
            "run": (f"{_CLI}.run:run_command", "RAW files to pictures, pictures to DNG."),
            "stream": (f"{_CLI}.stream:stream_command", "The same for frames that keep coming."),
            "show": (f"{_CLI}.show:show_command", "What a picture carries, what a RAW file states."),
            "export": (f"{_CLI}.main:export", "Weights to ONNX graphs, graphs to TensorRT engines."),
            "calibrate": (f"{_CLI}.calibrate:calibrate_command", "The scales of int8 and fp8, measured on RAW files."),
            "train": (f"{_CLI}.train:train_command", "RAW files of one camera or of many to weights."),
            "prepare": (f"{_CLI}.main:prepare", "Data to train on, camera files."),
            "eval": (f"{_CLI}.main:evaluate", "What the way there and back does to a real file."),
            "bench": (f"{_CLI}.bench:bench_command", "How fast graphs and engines are here."),
            "verify": (f"{_CLI}.verify:verify_command", "Whether engines and graphs compute what they should here."),
            "serve": (f"{_CLI}.serve:serve_command", "The page that does it in a browser, on this machine."),
            "doctor": (f"{_CLI}.doctor:doctor_command", "What is installed, what of it works, and what to do."),
            "research": (f"{_CLI}.main:research", "The paper's experiments."),
        },
        "Invertible camera pipelines: RAW to JPEG and back, from training to the edge.",
    )
)

export: Final = version_option(
    LazyGroup(
        "export",
        {
            "onnx": (f"{_CLI}.export_onnx:onnx_command", "Weights to forward.onnx and inverse.onnx, compared."),
            "engine": (f"{_CLI}.export_engine:engine_command", "A graph to a TensorRT engine."),
            "checkpoint": (f"{_CLI}.export_checkpoint:checkpoint_command", "The authors' .pth to weights of ours."),
            "frame": (f"{_CLI}.export_frame:frame_command", "A RAW file to what a program without Python needs of it."),
            "triton": (f"{_CLI}.export_triton:triton_command", "A model to a repository of NVIDIA's Triton server."),
        },
        "Write the network as ONNX graphs that need no PyTorch, and such graphs as TensorRT engines.",
    )
)

prepare: Final = LazyGroup(
    "prepare",
    {
        "raws": (f"{_CLI}.prepare_raws:raws_command", "RAW files to a dataset."),
        "synthesize": (
            f"{_CLI}.prepare_synthesize:synthesize_command",
            "Photographs to DNGs.",
        ),
        "frames": (f"{_CLI}.prepare_frames:frames_command", "Raw frames of a camera to DNGs."),
        "camera": (f"{_CLI}.prepare_camera:camera_command", "A RAW file to the camera file of what took it."),
    },
    "Prepare training data, and camera files.",
)

evaluate: Final = LazyGroup(
    "eval",
    {
        "roundtrip": (f"{_CLI}.eval_roundtrip:roundtrip_command", "RAW to JPEG to DNG through files: figures."),
        "files": (f"{_CLI}.eval_files:files_command", "The same on many files, a model beside a rival: a table."),
        "look": (f"{_CLI}.eval_look:look_command", "A look against what it was learned from, beside a closed form."),
    },
    "Measure what the pipeline does to real files.",
)

research: Final = LazyGroup(
    "research",
    {
        "table1": (f"{_CLI}.research_tables:table1_command", "Methods side by side, UPI and foreign JPEGs among them."),
        "table2": (f"{_CLI}.research_tables:table2_command", "Compression, beside lossless and lossy DNGs."),
        "rate": (f"{_CLI}.research_tables:rate_command", "Rate against RAW fidelity over the quality of the JPEGs."),
        "retouch": (f"{_CLI}.research_applications:retouch_command", "Edits of the recovered RAW, and of the JPEG."),
        "hdr": (f"{_CLI}.research_applications:hdr_command", "Light out of JPEGs: OpenEXR, tone mapped, figures."),
        "fivek": (f"{_CLI}.research_fivek:fivek_command", "The MIT-Adobe FiveK set of a camera to a dataset."),
        "train": (f"{_CLI}.research_train:rival_train_command", "What InvISP is compared with, trained."),
    },
    "The paper's experiments: tables on a prepared dataset, applications on RAW files.",
)
