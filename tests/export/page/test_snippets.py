"""The snippets carry the right numbers, and those that can be run give the Keras model's answers."""

import json
import re
import runpy
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import keras
import numpy as np
import pytest

from kres.export.files.inspection import artifact_format
from kres.export.files.interfaces import Tensor, interface
from kres.export.formats import FORMATS
from kres.export.page import Artifact, Page, snippets, write_page
from kres.export.page.snippets import LANGUAGES, OF_IMAGE_FILES, facts, languages_of, snippet
from kres.export.proof.reports import Reference
from kres.export.proof.verification import Asked, unmeasured
from kres.export.runner import dequantize, quantize
from tests.export.chromium import chromium
from tests.export.classifiers import LABELS, SIZE
from tests.support import skip_or_fail

TFLITE = ("float32", "bgr", "int8", "uint8", "pixels", "bytes")
NO_INT8 = tuple(name for name in TFLITE if name != "int8")
# SavedModels that take image files as they are.
DECODING = ("image files", "batch of 2")
ANSWERS = {"float32": [0.25, 0.5, 0.125], "int8": [-64, 0, -96], "uint8": [64, 128, 32]}


def unjudged(path):
    """The report of a file that was not compared with anything."""
    name = artifact_format(path)
    return unmeasured(1, path, Asked(format=name, io="float32", tolerance=FORMATS[name].tolerance), reason="")


def kind(classifier):
    return Artifact(report=unjudged(classifier.path)).kind


def written(classifier, template, path=None):
    """The snippet, run in the folder of the file or where `path` is the way to it."""
    tensors = interface(classifier.path)
    known = facts(
        path or classifier.path.name,
        classifier.preprocess,
        kind=kind(classifier),
        pixels=classifier.pixels,
        source=tensors.inputs[0],
        target=tensors.outputs[0],
    )
    return snippet(template, known)


def details(tensor: Tensor):
    """The tensor as an interpreter describes it."""
    return {"dtype": tensor.dtype, "quantization": (tensor.scale or 0.0, tensor.zero_point or 0)}


def fed(classifier, pixels):
    """What the input must hold for RGB pixels (h, w, 3): kres's own normalisation, and the runner's rounding."""
    values = pixels.astype(np.float32)
    if not classifier.pixels:
        values = keras.ops.convert_to_numpy(classifier.preprocess(values))
    return quantize(values, details(interface(classifier.path).inputs[0]))


def scored(classifier):
    """The scores of what the stand-ins of the interpreters answer, the best first."""
    target = interface(classifier.path).outputs[0]
    scores = dequantize(np.array(ANSWERS[target.dtype], target.dtype), details(target))
    order = np.argsort(-scores, kind="stable")
    return [LABELS[index] for index in order], scores[order]


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """PNG files of blotches in several shapes, which a resize and a crop change."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    shapes = [(SIZE, SIZE), (31, 20), (20, 45), (64, 64), (15, 90), (40, 33)]
    for index, (height, width) in enumerate(shapes):
        blotches = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8))
        blotches.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("name", [*TFLITE, "saved_model", "image files", "batch of 2", "onnx"])
def test_python_gives_the_keras_model_s_answers(classifiers, pictures, name, tmp_path, monkeypatch):
    from PIL import Image

    classifier = classifiers[name]
    path = tmp_path / "snippet.py"
    language = languages_of(kind(classifier), interface(classifier.path))[0]
    assert language.name == "Python" and (language.template == "saved_model.txt") == (name in DECODING)
    place = classifier.path.relative_to(classifier.path.parents[1])
    path.write_text(written(classifier, language.template, path=place.as_posix()), "utf-8")
    monkeypatch.chdir(classifier.path.parents[1])
    module = runpy.run_path(str(path))
    # Quantization moves this net's scores by hundredths; a mean, a scale or a colour out of its place by tenths.
    tolerance = 1e-5 if interface(classifier.path).outputs[0].dtype == "float32" else 0.03
    classes = set()
    for picture in pictures:
        image = np.asarray(Image.open(picture))
        if name not in DECODING:
            np.testing.assert_array_equal(module["read"](picture), classifier.preprocess.image_to_square(image))
        expected = classifier.model(classifier.preprocess.image_to_input(image)[None]).numpy()[0]
        found = module["classify"](picture)
        for label, score in found:
            assert score == pytest.approx(expected[LABELS.index(label)], abs=tolerance)
        first, second = np.sort(expected)[:-3:-1]
        if first - second > 2 * tolerance:
            assert found[0][0] == LABELS[expected.argmax()]
            classes.add(found[0][0])
    assert len(classes) > 1, "one answer to everything proves nothing"


@pytest.mark.parametrize("name", ["float32", "bytes", "image files"])
@pytest.mark.parametrize("folder", ["", "export"])
def test_what_the_page_says_is_what_runs_in_its_folder(
    classifiers, pictures, name, folder, tmp_path, monkeypatch, capsys
):
    """As its reader does: the page's text saved beside it, and run by the line that it names."""
    path = tmp_path / folder / 'the "best".tflite'
    move = shutil.copytree if classifiers[name].path.is_dir() else shutil.copy
    path.parent.mkdir(exist_ok=True)
    move(classifiers[name].path, path)
    shutil.copy(classifiers[name].path.parent / "labels.txt", path.parent)
    answered = Reference(
        images=np.zeros((1, SIZE, SIZE, 3)), labels=None, outputs=np.eye(3)[:1], preprocess=classifiers[name].preprocess
    )
    report = replace(unjudged(path), passed=True)
    write_page(Page(title="t", artifacts=[Artifact(report=report)], reference=answered), tmp_path / "report.html")
    text = re.search(
        r"<summary>Python</summary><pre[^>]*><code>(.*?)</code>", (tmp_path / "report.html").read_text(), re.S
    )
    (tmp_path / "snippet.py").write_text(unescape(text[1]), "utf-8")
    monkeypatch.chdir(tmp_path)
    command = re.search(r"^# In the folder of the report: python (.*)", unescape(text[1]), re.MULTILINE)[1].split()
    assert command == ["snippet.py", "image.jpg"]
    monkeypatch.setattr("sys.argv", [command[0], str(pictures[0])])
    runpy.run_path(command[0], run_name="__main__")
    assert sorted(line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()) == sorted(LABELS)


def test_no_snippet_has_a_step_that_does_nothing(classifiers):
    for name in TFLITE:
        for language in LANGUAGES["tflite"]:
            text = written(classifiers[name], language.template)
            if language.template == "javascript.txt" and name not in NO_INT8:
                continue
            assert text, (name, language.name)
            assert not re.search(r"[-+] -?0\b(?!\.)|[/*] 1(\.0)?f?\b(?!\.)", text), (name, language.name)
            if name in ("float32", "bgr", "pixels", "bytes"):
                assert not re.search("clip|clamp|coerce|[rR]ound\\(value|min\\(127", text), (name, language.name)
            if classifiers[name].preprocess.crop == 1:
                assert not re.search(r"of the shorter side|\(min\(", text), (name, language.name)


BROWSER = """
globalThis.fetch = async () => ({text: async () => LABELS});
const seen = {};
for (const [name, source] of Object.entries(SNIPPETS)) {
  const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
  const picture = new ImageData(new Uint8ClampedArray(RGBA), SIZE, SIZE);
  globalThis.answer = ANSWERS[name];
  const best = await module.classify(await createImageBitmap(picture));
  seen[name] = {best, ...globalThis.seen};
}
globalThis.everything = seen;
"""
LITERT = """
export async function loadLiteRt(path) {}
export class Tensor {
  constructor(values, shape) { this.values = values; this.shape = shape; }
  async data() { return this.values; }
  delete() {}
}
export async function loadAndCompile(file, options) {
  return {async run(input) {
    const {values, shape} = input;
    globalThis.seen = {file, options, shape, type: values.constructor.name, values: [...values]};
    return [new Tensor(globalThis.answer)];
  }};
}
"""
ONNX = """
export const env = {wasm: {}};
export class Tensor {
  constructor(type, data, dims) { this.type = type; this.data = data; this.dims = dims; }
}
export const InferenceSession = {async create(file, options) {
  return {inputNames: ['in'], outputNames: ['out'], async run(feeds) {
    const {data, dims, type} = feeds.in;
    globalThis.seen = {file, options, shape: dims, type: `${type}array`, values: [...data]};
    return {out: new Tensor('float32', globalThis.answer, [1, 3])};
  }};
}};
"""


def test_javascript_feeds_what_keras_is_fed(classifiers, pixels, tmp_path):
    """In a real browser with its real canvas; modules that note what they are given play the runtimes' parts."""
    rgba = np.concatenate([pixels, np.full((SIZE, SIZE, 1), 255, np.uint8)], -1)
    names = (*NO_INT8, "onnx")
    outputs = {name: interface(classifiers[name].path).outputs[0].dtype for name in names}
    values = {
        "LABELS": "\n".join(LABELS) + "\n",
        "RGBA": rgba.ravel().tolist(),
        "SIZE": SIZE,
        # The crop is for pictures of any size; this one is cropped already.
        "SNIPPETS": {
            name: re.sub(r"const side = [\d.]+", "const side = 1", written(classifiers[name], "javascript.txt"))
            for name in names
        },
        "ANSWERS": {name: ANSWERS[dtype] for name, dtype in outputs.items()},
    }
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    modules = {"@litertjs/core": LITERT, "onnxruntime-web": ONNX}
    addresses = {name: "data:text/javascript," + re.sub(r"\s+", " ", text) for name, text in modules.items()}
    imports = json.dumps({"imports": addresses})
    script = (constants + BROWSER).replace("</", "<\\/")
    page = f'<script type="importmap">{imports}</script><body><script type="module">{script}</script>'
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    with chromium(tmp_path / "profile") as tab:
        tab.open(path.as_uri())
        seen = tab.wait("globalThis.everything")
    assert set(seen) == set(names)
    for name, found in seen.items():
        expected = fed(classifiers[name], pixels)
        assert found["shape"] == [1, SIZE, SIZE, 3] and found["file"] == classifiers[name].path.name
        assert found["type"].lower() == f"{expected.dtype}array"
        # Double precision on one side, float32 on the other; integers are the same.
        np.testing.assert_allclose(found["values"], expected.ravel(), rtol=1e-5, atol=1e-5)
        labels, scores = scored(classifiers[name])
        assert [entry["label"] for entry in found["best"]] == labels
        np.testing.assert_allclose([entry["score"] for entry in found["best"]], scores, rtol=1e-6)


def test_javascript_says_that_it_has_no_int8(classifiers):
    assert written(classifiers["int8"], "javascript.txt") is None


STAND_IN = """
#pragma once
#include <cstring>
#include <memory>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
namespace tflite {
namespace ops::builtin { struct BuiltinOpResolver {}; }
struct FlatBufferModel {
  static std::unique_ptr<FlatBufferModel> BuildFromFile(const char*) { return std::make_unique<FlatBufferModel>(); }
};
struct Interpreter {
  alignas(8) static inline char input[65536];
  alignas(8) static inline char output[64];
  TfLiteStatus SetNumThreads(int) { return kTfLiteOk; }
  TfLiteStatus AllocateTensors() { return kTfLiteOk; }
  TfLiteStatus Invoke() { return kTfLiteOk; }
  template <class T> T* typed_input_tensor(int) { return reinterpret_cast<T*>(input); }
  template <class T> const T* typed_output_tensor(int) const { return reinterpret_cast<const T*>(output); }
};
struct InterpreterBuilder {
  InterpreterBuilder(const FlatBufferModel&, const ops::builtin::BuiltinOpResolver&) {}
  TfLiteStatus operator()(std::unique_ptr<Interpreter>* made) {
    *made = std::make_unique<Interpreter>();
    return kTfLiteOk;
  }
};
}
"""


def test_cpp_compiles_and_feeds_what_keras_is_fed(classifiers, pixels, tmp_path):
    """Against declarations of the interpreter's C++ API, which also note what they are given."""
    compiler = shutil.which("g++")
    if compiler is None:
        skip_or_fail("g++ is not installed")
    for header in ("interpreter", "model", "kernels/register"):
        path = tmp_path / f"tensorflow/lite/{header}.h"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('#include "tensorflow/lite/stand_in.h"\n')
    (tmp_path / "tensorflow/lite/stand_in.h").write_text(STAND_IN)
    parts, calls = [], []
    for name in TFLITE:
        text = written(classifiers[name], "cpp.txt")
        (tmp_path / f"{name}.h").write_text(text)
        target = interface(classifiers[name].path).outputs[0].dtype
        kind = {"float32": "float", "int8": "int8_t", "uint8": "uint8_t"}[target]
        parts.append(f'namespace {name}_ {{\n#include "{name}.h"\n}}\n')
        answers = ", ".join(map(str, ANSWERS[target]))
        calls.append(f"  {{ {kind} a[] = {{ {answers} }}; std::memcpy(tflite::Interpreter::output, a, sizeof a);\n")
        calls.append(f'  {name}_::Classifier c; auto best = c.Classify(rgb); save("{name}.input");\n')
        calls.append('  for (auto& [label, score] : best) std::printf("%s\\t%.9g\\n", label.c_str(), score); }\n')
    includes = "".join(sorted(set(re.findall(r"^#include .*\n", text, re.MULTILINE))))
    main = (
        f"#include <cstdio>\n{includes}{''.join(parts)}"
        'void save(const char* name) { auto f = std::fopen(name, "wb"); '
        "std::fwrite(tflite::Interpreter::input, 1, sizeof tflite::Interpreter::input, f); std::fclose(f); }\n"
        f"int main() {{\n  static uint8_t rgb[{pixels.size}];\n"
        f"  if (std::fread(rgb, 1, sizeof rgb, stdin) != sizeof rgb) return 1;\n{''.join(calls)}}}\n"
    )
    (tmp_path / "main.cc").write_text(main)
    flags = ["-std=c++17", "-Wall", "-Werror", "-O0", "-I."]
    subprocess.run([compiler, *flags, "main.cc", "-o", "classify"], cwd=tmp_path, check=True, timeout=120)
    shutil.copy(classifiers["float32"].path.parent / "labels.txt", tmp_path)
    done = subprocess.run(
        ["./classify"], cwd=tmp_path, check=True, input=pixels.tobytes(), stdout=subprocess.PIPE, timeout=60
    )
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    for index, name in enumerate(TFLITE):
        expected = fed(classifiers[name], pixels).ravel()
        given = np.frombuffer((tmp_path / f"{name}.input").read_bytes(), expected.dtype)[: expected.size]
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)
        labels, scores = scored(classifiers[name])
        best = lines[index * len(LABELS) : (index + 1) * len(LABELS)]
        assert [label for label, _ in best] == labels
        np.testing.assert_allclose([float(score) for _, score in best], scores, rtol=1e-6)


def test_cpp_refuses_what_does_not_load(classifiers):
    assert 'throw std::runtime_error("int8.int8.tflite does not load")' in written(classifiers["int8"], "cpp.txt")


def unbalanced(text):
    """What is left open, or closed too often, in code without its strings and comments."""
    code = re.sub(r'"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])*\'|//.*|/\*.*?\*/', "", text)
    stack = []
    for letter in re.findall(r"[(){}\[\]]", code):
        if letter in "([{":
            stack.append(letter)
        elif not stack or stack.pop() + letter not in ("()", "[]", "{}"):
            return letter
    return "".join(stack)


@pytest.mark.parametrize("name", TFLITE)
@pytest.mark.parametrize("template", ["kotlin.txt", "swift.txt", "cpp.txt"])
def test_what_no_test_can_run_is_balanced_and_has_the_numbers(classifiers, template, name):
    classifier = classifiers[name]
    text = written(classifier, template)
    assert not unbalanced(text) and "{{" not in text and "===" not in text
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    tensors = interface(classifier.path)
    source, target = tensors.inputs[0], tensors.outputs[0]
    numbers = [] if classifier.pixels else [*classifier.preprocess.mean, *classifier.preprocess.std]
    numbers += [value for value in (source.scale, target.scale) if value not in (None, 1)]
    found = {float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)}
    for number in numbers:
        assert any(value == pytest.approx(number, rel=1e-7) for value in found), number
    for zero in filter(None, (source.zero_point, -(target.zero_point or 0))):
        assert f"{'+' if zero > 0 else '-'} {abs(zero)}" in text
    assert str(classifier.path.name) in text and "labels.txt" in text
    order = {"kotlin.txt": ("16, 8, 0", "0, 8, 16")}.get(template, ("0, 1, 2", "2, 1, 0"))
    assert order[classifier.preprocess.order == "bgr" and not classifier.pixels] in text
    bare = {"float32": r"readFloat|Float\.self|tensor<float>", "int8": r"[iI]nt8", "uint8": r"[uU][iI]nt8"}
    assert re.search(bare[source.dtype], text)


def test_every_language_has_a_snippet_for_every_input(classifiers):
    for language in LANGUAGES["tflite"]:
        names = NO_INT8 if language.template == "javascript.txt" else TFLITE
        for name in names:
            assert written(classifiers[name], language.template), (language.name, name)


def test_raw_bytes_go_in_as_they_are(classifiers, pixels):
    classifier = classifiers["bytes"]
    source = interface(classifier.path).inputs[0]
    assert source.scale == 1 and source.zero_point == 0
    assert "MEAN" not in written(classifier, "kotlin.txt") and "mean" not in written(classifier, "swift.txt")
    np.testing.assert_array_equal(fed(classifier, pixels), pixels)


def test_tensors_are_read_as_an_interpreter_gives_them(classifiers):
    from ai_edge_litert.interpreter import Interpreter

    for name in TFLITE:
        interpreter = Interpreter(str(classifiers[name].path))
        found = interface(classifiers[name].path)
        for tensors, given in (
            (found.inputs, interpreter.get_input_details()),
            (found.outputs, interpreter.get_output_details()),
        ):
            assert [tensor.name for tensor in tensors] == [detail["name"] for detail in given]
            assert [list(tensor.shape) for tensor in tensors] == [list(detail["shape"]) for detail in given]
            assert [tensor.dtype for tensor in tensors] == [np.dtype(detail["dtype"]).name for detail in given]
            for tensor, detail in zip(tensors, given, strict=True):
                assert (tensor.scale or 0.0, tensor.zero_point or 0) == detail["quantization"]
    saved = interface(classifiers["saved_model"].path)
    assert saved.inputs == (Tensor(name="image", shape=(-1, SIZE, SIZE, 3), dtype="float32"),)
    assert saved.outputs[0].shape == (-1, len(LABELS))


def test_templates_travel_with_the_package():
    folder = Path(snippets.__file__).parent
    named = {language.template for languages in (*LANGUAGES.values(), OF_IMAGE_FILES) for language in languages}
    assert named == {path.name for path in folder.glob("*.txt")}
