"""`invisp export triton`: a model to a repository that NVIDIA's Triton server reads."""

from __future__ import annotations

from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, print_json, result_line
from invisp_deploy.cli.options import json_option, model_option, output_option


@click.command("triton", cls=InvispCommand)
@model_option
@output_option("Folder for the repository; made if absent.")
@click.option(
    "--instances", type=click.IntRange(1, 64), default=1, show_default=True, help="Of each graph, side by side."
)
@json_option
def triton_command(model: str | None, output: Path, instances: int, as_json: bool) -> None:
    """Write a model repository for NVIDIA's Triton server: all graphs or engines of a model, with their warm-up.

    A request is one frame, or one tile of it: its mosaic and its numbers, as the graph takes them (docs/triton.md).

    \b
      invisp export triton --model graphs -o repository
    """
    from invisp_deploy.export.triton import CONFIG_FILE, served, write_repository
    from invisp_deploy.graph_card import BITS
    from invisp_deploy.rendering.model import load

    with load(model) as opened:
        models = [served(path) for bits in BITS for path in opened.files(bits).values()]
    write_repository(models, output, instances)
    if as_json:
        print_json({"repository": output, "models": {each.name: each.backend for each in models}})
        return
    for each in models:
        size = "any size" if each.profile is None else str(each.profile)
        many = "frames of one size together" if each.batched else "one frame at a time"
        result_line(output / each.name / CONFIG_FILE, f"for {each.backend}, {size}, {many}")
    click.echo(f"next: tritonserver --model-repository={output}")
