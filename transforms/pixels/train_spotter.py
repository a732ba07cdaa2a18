"""Make ``data/spotter.onnx``, the network of `triage`, or ``data/sieve.onnx``, that of `sieve`, with the extra ``train``; or measure one.

    python -m transforms.pixels.train_spotter --output spotter.onnx [--start OLD.onnx] [--backgrounds FOLDER …] [--steps 6444]
    python -m transforms.pixels.train_spotter --evaluate transforms/pixels/data/spotter.onnx [--backgrounds FOLDER …]
    python -m transforms.pixels.train_spotter --sieve …

The shipped spotter was made by the scripts that this module and `spotter_data` were ported from; the weights are theirs, not a run of this
code. Its data: 18,000 crops of 128 x 128 pixels (seeds 11 and 12, 9,000 each), Latin text alone, half of a Debian system's fonts (every
second of ``/usr/share/fonts``, by name), 12 % of the backgrounds patterns, the rest from 71 images without burned-in text, in 40 families:
first frames of the public test files of pydicom, pydicom-data, pylibjpeg-data, deid, highdicom and others. These are also in the corpus
that the benchmarks read: what `tests.bench.bench_pixels` says of clean files of the corpus is in part said of images seen in training.
Another 27 images in 17 families were held out, by the rule of `spotter_data.is_held_out`, as were 800 of the crops. Its training: seed 0,
12 epochs of 537 steps of 32 crops (6,444 steps, 21 minutes on two cores), Adam with a rate that falls from 0.003 to 0.00001 along a cosine,
with JAX 0.10.2. No image with real burned-in text was used, and no second round on the cells that the network got wrong.

Training is not reproducible bit by bit: the fonts and libraries of the machine and the order of sums in XLA change the weights. To judge a
new network, compare ``--evaluate`` of both with the same arguments and `tests.bench.bench_triage` with ``--model``, then put it in place
and run `tests.bench.bench_pixels` before and after: PHI hidden must not fall, clean images untouched must not fall, seconds must not rise.
``--evaluate`` is about lines that `spotter_data` draws, many of them fainter than what devices write: it compares networks, it does not
foretell what is hidden. The images that it holds out were trained on neither by what this module makes nor by the shipped network; some of
the Latin fonts that it holds out were, by the shipped one. The shipped network touches 97 % and carries 93 % of the lines (DejaVu and Noto
Sans CJK) and marks 0.03 % of the cells of pydicom's held-out images (three only: give folders to know more).

The shipped sieve was made by this module and `spotter_doubts`: 14,000 crops (seed 21), half of them without text; from 43 families of the
same images, none of them held out, and the phantoms of ``dicom-deid synth --count 0 --clean 60 --seed 501``; all scripts for which a Debian
system has fonts. 2,000 steps with a rate that began to fall from 0.002, then 1,300 from 0.0012 to 0.00001; seven minutes on two busy cores.
With ``--sieve`` what is evaluated is what the sieve leaves of what the shipped spotter marks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from transforms.pixels import sieve, triage
from transforms.pixels.sieve import SIEVE as SIEVE_NAME
from transforms.pixels.sieve import sieved
from transforms.pixels.spotter_data import CROP, Crops, Generator, Line, backgrounds
from transforms.pixels.spotter_doubts import doubts
from transforms.pixels.spotter_text import FONT_FOLDER, fonts
from transforms.pixels.triage import CELL, THRESHOLD, Grey
from transforms.pixels.triage import SPOTTER as SPOTTER_NAME

STEPS = 6444
CROPS = 18_000
BATCH = 32
RATE = 3e-3
TEXT_WEIGHT = 3.0
CARRIED = 0.5
REPORT_EVERY = 100

Layers = Sequence["Layer"]
Parameters = list[tuple[Any, Any]]
"""Weights (out x in per group x rows x columns) and biases of each layer."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution: ``deep`` ones treat each channel by itself; all but these and the last are followed by a rectifier."""

    inputs: int
    outputs: int
    size: int = 1
    stride: int = 1
    deep: bool = False


SPOTTER = (
    Layer(1, 8, 3, 2),
    Layer(8, 8, 3, 2, deep=True),
    Layer(8, 24),
    Layer(24, 24, 3, deep=True),
    Layer(24, 24),
    Layer(24, 24, 3, 2, deep=True),
    Layer(24, 40),
    Layer(40, 40, 5, deep=True),
    Layer(40, 40),
    Layer(40, 40, 5, deep=True),
    Layer(40, 40),
    Layer(40, 1),
)
SIEVE = (Layer(1, 16, 3, 2), Layer(16, 24, 3, 2), Layer(24, 24, 3), Layer(24, 48, 3, 2), *[Layer(48, 48, 3)] * 4, Layer(48, 1))
PART = 96
"""Side of the part of a crop that a step looks at; another each time."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a network does on pictures that training has not seen.

    Attributes:
        lines: readable lines written on pictures.
        touched: of these, with at least one cell marked: OCR looks there.
        carried: of these, with a mean probability of at least 0.5 along the line on one level.
        clean: pictures without text.
        quiet: of these, with no cell marked: they need no OCR.
        marked: mean over these of the share of their cells that are marked, all levels together.
    """

    lines: int
    touched: int
    carried: int
    clean: int
    quiet: int
    marked: float

    def __str__(self) -> str:
        return (
            f"lines {self.lines}: touched {self.touched / max(self.lines, 1):.1%}, carried {self.carried / max(self.lines, 1):.1%}\n"
            f"clean pictures {self.clean}: without a mark {self.quiet / max(self.clean, 1):.1%}, cells marked {self.marked:.2%}\n"
        )


def evaluate(model: Path, written: Iterable[tuple[Grey, Sequence[Line]]], clean: Iterable[Grey], *, sieve: bool = False) -> Evaluation:
    """Look at pictures as `triage.heat` does, with another network; or as `sieved` does after the shipped one."""
    lines = touched = carried = quiet = 0
    shares = []
    with _network_of(model, SIEVE_NAME if sieve else SPOTTER_NAME):
        for grey, found in written:
            heat = sieved(triage.heat(grey)) if sieve else triage.heat(grey)
            for box in (line.box for line in found if line.readable):
                lines += 1
                touched += any((heat.cells(level, box) >= THRESHOLD).any() for level in range(len(heat.levels)))
                carried += heat.support(box) >= CARRIED
        for grey in clean:
            levels = (sieved(triage.heat(grey)) if sieve else triage.heat(grey)).levels
            marked = sum(int((cells >= THRESHOLD).sum()) for cells in levels)
            quiet += not marked
            shares.append(marked / max(sum(cells.size for cells in levels), 1))
    return Evaluation(lines, touched, carried, len(shares), quiet, float(np.mean(shares)) if shares else 0.0)


def train(
    crops: Crops, steps: int, layers: Layers = SPOTTER, seed: int = 0, rate: float = RATE, start: Parameters | None = None
) -> Parameters:
    """Train on crops, a part of each, every time turned, mirrored or inverted at random; from ``start``, or from random weights."""
    import jax
    import jax.numpy as jnp

    def loss(parameters: Parameters, inputs: Any, cells: Any) -> Any:
        scores, text = _forward(parameters, layers, inputs), cells == 1
        error = jnp.maximum(scores, 0) - scores * text + jnp.log1p(jnp.exp(-jnp.abs(scores)))
        weight = jnp.where(text, TEXT_WEIGHT, 1.0) * (cells <= 1)
        return (error * weight).sum() / weight.sum()

    def step(parameters: Parameters, mean: Any, square: Any, time: int, rate: float, inputs: Any, cells: Any) -> Any:
        value, slope = jax.value_and_grad(loss)(parameters, inputs, cells)
        mean = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, mean, slope)
        square = jax.tree.map(lambda old, new: 0.999 * old + 0.001 * new * new, square, slope)

        def moved(weight: Any, first: Any, second: Any) -> Any:
            return weight - rate * (first / (1 - 0.9**time)) / (jnp.sqrt(second / (1 - 0.999**time)) + 1e-8)

        return jax.tree.map(moved, parameters, mean, square), mean, square, value

    rng = np.random.default_rng(seed)
    all_inputs, all_cells = crops
    parameters = jax.tree.map(jnp.asarray, start or initial(layers, seed))
    mean, square = jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters)
    fast, order, losses = jax.jit(step), np.zeros(0, int), []
    for time in range(1, steps + 1):
        if len(order) < BATCH:
            order = rng.permutation(len(all_inputs))
        chosen, order = order[:BATCH], order[BATCH:]
        inputs, cells = _varied(all_inputs[chosen].astype(np.float32), all_cells[chosen], rng)
        now = rate * 0.5 * (1 + np.cos(np.pi * time / steps)) + 1e-5
        parameters, mean, square, value = fast(parameters, mean, square, time, now, inputs[..., None], cells)
        losses.append(float(value))
        if time % REPORT_EVERY == 0 or time == steps:
            sys.stdout.write(f"step {time} of {steps}: loss {np.mean(losses[-REPORT_EVERY:]):.4f}\n")
    return [(np.asarray(weights), np.asarray(biases)) for weights, biases in parameters]


def initial(layers: Layers, seed: int) -> Parameters:
    """Random weights by He's rule, biases of 0."""
    rng, parameters = np.random.default_rng(seed), []
    for layer in layers:
        shape = (layer.outputs, 1 if layer.deep else layer.inputs, layer.size, layer.size)
        deviation = float(np.sqrt(2 / np.prod(shape[1:])))
        parameters.append((rng.normal(0, deviation, shape).astype(np.float32), np.zeros(layer.outputs, np.float32)))
    return parameters


def weights_of(path: Path) -> Parameters:
    """The weights of a file that `export` wrote, to go on from."""
    import onnx
    from onnx import numpy_helper

    arrays = {constant.name: numpy_helper.to_array(constant) for constant in onnx.load(str(path)).graph.initializer}
    return [(arrays[f"w{number}"], arrays[f"b{number}"]) for number in range(len(arrays) // 2)]


def export(parameters: Parameters, layers: Layers, path: Path) -> None:
    """Write the ONNX file that is shipped: ``input`` 1 x 1 x rows x columns, ``output`` probabilities of cells of 8 x 8 pixels."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, name = [], [], "input"
    for number, (layer, (weights, biases)) in enumerate(zip(layers, parameters, strict=True)):
        constants += [numpy_helper.from_array(weights, f"w{number}"), numpy_helper.from_array(biases, f"b{number}")]
        shape = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2, "pads": [layer.size // 2] * 4}
        groups = layer.inputs if layer.deep else 1
        nodes.append(helper.make_node("Conv", [name, f"w{number}", f"b{number}"], [f"c{number}"], group=groups, **shape))
        name = f"c{number}"
        if number == len(layers) - 1:
            nodes.append(helper.make_node("Sigmoid", [name], ["output"]))
        elif not layer.deep:
            nodes.append(helper.make_node("Relu", [name], [f"r{number}"]))
            name = f"r{number}"
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, "rows", "columns"])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "r", "c"])]
    graph = helper.make_graph(nodes, "spotter", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _forward(parameters: Parameters, layers: Layers, values: Any) -> Any:
    """Scores (count x rows x columns) of inputs (count x rows x columns x 1); the probability is their logistic function."""
    import jax
    import jax.numpy as jnp

    for number, (layer, (weights, biases)) in enumerate(zip(layers, parameters, strict=True)):
        reach = layer.size // 2
        if layer.deep:  # as a sum of shifted copies: XLA's own grouped convolution is many times slower on a processor
            rows, columns = values.shape[1:3]
            padded = jnp.pad(values, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
            values = biases + sum(
                padded[:, y : y + rows : layer.stride, x : x + columns : layer.stride] * weights[:, 0, y, x]
                for y in range(layer.size)
                for x in range(layer.size)
            )
            continue
        kernel = jnp.transpose(weights, (2, 3, 1, 0))
        strides, padding = (layer.stride, layer.stride), [(reach, reach)] * 2
        values = jax.lax.conv_general_dilated(values, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")) + biases
        if number < len(layers) - 1:
            values = jax.nn.relu(values)
    return values[..., 0]


def _varied(inputs: Grey, cells: Any, rng: np.random.Generator) -> tuple[Grey, Any]:
    """A part of a batch mirrored, turned and inverted by chance: text is text in any position and polarity."""
    top, left = rng.integers(0, (CROP - PART) // CELL + 1, 2)
    inputs = inputs[:, top * CELL : top * CELL + PART, left * CELL : left * CELL + PART]
    cells = cells[:, top : top + PART // CELL, left : left + PART // CELL]
    for axis in (2, 1):
        if rng.random() < 0.5:
            inputs, cells = np.flip(inputs, axis), np.flip(cells, axis)
    if rng.random() < 0.3:
        inputs, cells = inputs.transpose(0, 2, 1), cells.transpose(0, 2, 1)
    if rng.random() < 0.5:
        inputs = -inputs
    return np.ascontiguousarray(inputs), np.ascontiguousarray(cells)


def _network_of(model: Path, name: str = SPOTTER_NAME) -> AbstractContextManager[Any]:
    """Have `triage` or `sieve` look through another network: what is measured is the code that is used."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    other = onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
    return mock.patch.object(sieve if name == SIEVE_NAME else triage, "session", side_effect=lambda _: other)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", type=Path, help="train, write this ONNX file and evaluate it")
    task.add_argument("--evaluate", type=Path, metavar="MODEL", help="only evaluate this ONNX file")
    parser.add_argument("--sieve", action="store_true", help="the network of the closer look, not that of triage")
    parser.add_argument("--start", type=Path, metavar="MODEL", help="go on from the weights of this ONNX file")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at the first step")
    parser.add_argument(
        "--backgrounds", type=Path, metavar="FOLDER", nargs="*", default=[], help="more DICOM files without text; may have a manifest.csv"
    )
    parser.add_argument("--fonts", type=Path, metavar="FOLDER", nargs="*", default=[FONT_FOLDER])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--crops", type=int, default=CROPS, help="training pictures; no more than the steps use are made")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--pictures", type=int, default=300, help="pictures with text to evaluate on")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    faces = {held_out: [face for folder in options.fonts for face in fonts(folder, held_out=held_out)] for held_out in (False, True)}
    if options.output:
        generator = Generator(options.seed, backgrounds(*options.backgrounds, held_out=False), faces[False])
        count = max(min(options.crops, options.steps * BATCH), BATCH)
        crops, layers = (doubts(generator, count), SIEVE) if options.sieve else (generator.crops(count), SPOTTER)
        start = weights_of(options.start) if options.start else None
        export(train(crops, options.steps, layers, rate=options.rate, start=start), layers, options.output)
    images = backgrounds(*options.backgrounds, held_out=True)
    # Another stream of choices than any of training: the same pictures for all networks.
    judge = Generator(1_000_003, images, faces[True])
    clean = [image for family in images.values() for image in family]
    sys.stdout.write(str(evaluate(options.output or options.evaluate, judge.pictures(options.pictures), clean, sieve=options.sieve)))


if __name__ == "__main__":
    main()
