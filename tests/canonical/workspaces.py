"""Five small workspaces, made by the command line as a user makes them: images and commands."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

IADB = Path(sys.executable).with_name("iadb")
# Another number of threads, a GPU or downloaded weights would give other numbers.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("IADB_")},
    **{"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "TZ": "UTC", "COLUMNS": "200"},
    **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PIP_NO_INDEX": "1"},
}
SHAPES = ("circle", "square", "triangle")

# One level of few channels: what surrounds the network is compared as well as with a large one.
NETWORK = {
    **{"channels": [8], "attention": [False], "attention_head_dim": 4},
    **{"norm_groups": 4, "blocks": 1},
}
TRAIN = {"steps": 30, "batch_size": 32, "learning_rate": 0.003}
PASSED = {"kid": {"maximum": 100.0, "max_worsening": 100.0}}  # by any network of 30 steps


class FailedRunError(Exception):
    """A run that has made no model; the message is its own."""


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


class Place(NamedTuple):
    """Where the images and the workspace of one name are.

    Attributes:
        folder: a new folder for everything.
        codes: the exit code of each command so far.
        nodes: the nodes of each run, and whether they were done or came from the cache.
    """

    folder: Path
    codes: dict[str, int]
    nodes: dict[str, dict[str, str]]

    @property
    def workspace(self) -> Path:
        """The workspace."""
        return self.folder / "workspace"

    def configure(self, **sections: Any) -> None:
        """Writes the configuration file of the next commands."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(sections), "utf-8")

    def iadb(self, command: str, *words: object, name: str = "") -> Done:
        """Runs a command on the workspace, and keeps its exit code as that of `name`."""
        done = iadb(command, *words, "--workspace", self.workspace, cwd=self.folder)
        self.codes[name or command] = done.code
        (self.folder / f"{name or command}.log").write_text(done.out + done.err, "utf-8")
        return done

    def run(self, name: str = "run", *words: object) -> None:
        """Runs the pipeline with the configuration."""
        done = self.iadb("run", "--config", "config.yaml", *words, name=name)
        if done.code not in (0, 5):  # 5: not blessed
            raise FailedRunError(done.err.strip().rpartition("\n")[2])
        lines = (line.split() for line in done.out.splitlines())
        shown = {line[1]: line[2:] for line in lines if line[:1] == ["✓"]}
        self.nodes[name] = {
            node: "cached" if "cached" in how else "done" for node, how in shown.items()
        }


def iadb(*words: object, cwd: Path | None = None) -> Done:
    """Runs the command line in a process of its own."""
    done = subprocess.run(
        [IADB, *map(str, words)],
        cwd=cwd,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def drawn(number: int, side: int = 16, tint: int = 0) -> Image.Image:
    """A shape of some color on light ground; the class follows from the number.

    Args:
        number: of the image, its seed.
        side: in pixels.
        tint: moves the colors of the shape, in gray levels.
    """
    rng = np.random.RandomState(number)
    ground, color = rng.randint(200, 256, 3), rng.randint(0, 150, 3)
    color = np.clip(color + np.array([0, 0, tint]), 0, 255)
    image = Image.new("RGB", (side, side), tuple(map(int, ground)))
    size = int(rng.randint(side // 3, 2 * side // 3))
    left, top = map(int, rng.randint(0, side - size, 2))
    right, bottom, pen = left + size, top + size, ImageDraw.Draw(image)
    fill = tuple(map(int, color))
    if number % 3 == 0:
        pen.ellipse((left, top, right, bottom), fill)
    elif number % 3 == 1:
        pen.rectangle((left, top, right, bottom), fill)
    else:
        pen.polygon(((left, bottom), (right, bottom), ((left + right) // 2, top)), fill)
    noise = rng.randint(-12, 13, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def digits(first: int, last: int) -> list[Image.Image]:
    """Some of scikit-learn's digits, gray, 8x8."""
    pixels = np.round(load_digits().images[first:last] * 255 / 16).astype(np.uint8)
    return list(map(Image.fromarray, pixels))


def as_bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write(file: Path, content: bytes | Image.Image) -> None:
    """Writes a file, and the folders that it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(as_bytes(content) if isinstance(content, Image.Image) else content)


def write_kinds(folder: Path) -> None:
    """Writes images of many kinds, and files that have to be rejected or grouped."""
    upright = Image.Exif()
    upright[0x0112] = 6  # turned by 90 degrees
    alpha, large = drawn(900).convert("RGBA"), drawn(901, 40)
    alpha.putalpha(Image.linear_gradient("L").resize((16, 16)))
    deep = (np.asarray(drawn(902, 24).convert("L"), np.int32) * 257).astype(np.uint16)
    files = {
        "turned.jpg": as_bytes(drawn(903, 32).crop((0, 0, 32, 20)), "JPEG", exif=upright),
        "alpha.png": as_bytes(alpha),
        "palette.png": as_bytes(large.quantize(16), transparency=3),
        "deep.png": as_bytes(Image.fromarray(deep)),
        "gray.png": as_bytes(drawn(904, 20).convert("L")),
        "bits.png": as_bytes(drawn(905, 32).convert("1")),
        "print.jpg": as_bytes(drawn(906, 24).convert("CMYK"), "JPEG"),
        "picture.webp": as_bytes(drawn(907, 32), "WEBP", lossless=True),
        "picture.gif": as_bytes(drawn(908, 32).quantize(32), "GIF"),
        "picture.bmp": as_bytes(drawn(909, 17), "BMP"),
        "picture.tiff": as_bytes(drawn(910, 19), "TIFF"),
        "same.png": as_bytes(drawn(0)),  # as circle/000.png
        "truncated.png": as_bytes(drawn(911, 32))[:500],
        "text.png": b"not an image",
        "empty.jpg": b"",
        "small.png": as_bytes(drawn(912).resize((4, 4))),
        "notes.txt": b"no image by its name",
    }
    for name, content in files.items():
        write(folder / "circle" / name, content)
    for number in range(3, 30, 3):  # a little brighter: near-duplicates
        brighter = drawn(number, 32).point(lambda value: min(value + 6, 255))
        write(folder / "circle" / f"near-{number:03}.png", brighter)
        write(folder / "circle" / f"large-{number:03}.png", drawn(number, 32))


def make_digits(place: Place) -> None:
    """The digits, a model and its student, an evaluation outside of the pipeline."""
    iadb("data", "write", "digits", place.folder / "digits")
    place.configure(
        name="digits",
        data={"folder": "digits", "resolution": 8, "channels": 1, "background": "#000000"},
        model=NETWORK,
        train=TRAIN,
        sample={"nb_step": 4},
        evaluate={
            **{"samples": 300, "features": "pixels", "limits": "none"},
            "thresholds": PASSED | {"frechet_distance": {"maximum": 1e6, "max_worsening": 1e6}},
        },
        distill={"enabled": True, "nfe": 2, "steps": 10},
    )
    place.run()
    place.iadb("export", "--format", "hub", "-o", place.folder / "hub")


def make_shapes(place: Place) -> None:
    """Classes, guidance and all kinds of files; on the next day other images, a warm start."""
    first, second = (place.folder / "shapes" / day for day in ("2026-01-01", "2026-01-02"))
    for number in range(210):
        write(first / SHAPES[number % 3] / f"{number:03}.png", drawn(number))
    write_kinds(first)
    place.configure(
        name="shapes",
        data={
            **{"folder": "shapes", "pattern": "{YYYY}-{MM}-{DD}", "window": 0, "resolution": 16},
            "eval_percent": 30,
        },
        model=NETWORK | {"conditional": True},
        train=TRAIN | {"flip": True, "augment": 0.15, "class_balance": 0.5, "warm_start": True},
        sample={"nb_step": 3, "solver": "heun", "grid": "late", "guidance": 2.0},
        evaluate={
            **{"samples": 60, "features": "random_conv", "limits": "none", "thresholds": PASSED},
        },
        drift={"images": 100},
    )
    place.run()
    for number in range(300, 420):
        write(second / SHAPES[number % 3] / f"{number:03}.png", drawn(number, tint=120))
    place.run("run on the next day", "--if-new-data")
    place.iadb("rollback", "--reason", "canonical")


def make_pairs(place: Place) -> None:
    """Images to be made of small negatives of the same names."""
    for number, image in enumerate(digits(0, 400)):
        name = f"{number % 4}/{number:03}"
        small = image.point(lambda value: 255 - value).resize((4, 4), Image.Resampling.BOX)
        if number != 7:
            write(place.folder / "sources" / f"{name}.bmp", as_bytes(small, "BMP"))
        if number != 8:
            write(place.folder / "images" / f"{name}.png", image)
    place.configure(
        name="pairs",
        data={
            **{"folder": "images", "source": "sources", "resolution": 8, "channels": 1},
            "eval_percent": 40,
        },
        model=NETWORK | {"channels": [8, 8], "attention": [False, True], "source": "condition"},
        train=TRAIN | {"augment": 0.1},
        sample={"nb_step": 3, "solver": "midpoint"},
        evaluate={
            **{"samples": 100, "features": "random_conv", "limits": "none"},
            "thresholds": PASSED | {"psnr": {"minimum": 1.0}},
        },
    )
    place.run()


def make_unpaired(place: Place) -> None:
    """Negatives to be mapped to digits that are others."""
    for number, image in enumerate(digits(0, 300)):
        write(place.folder / "images" / f"{number:03}.png", image)
    for number, image in enumerate(digits(300, 560)):
        negative = image.point(lambda value: 255 - value)
        write(place.folder / "sources" / f"{number}.bmp", as_bytes(negative, "BMP"))
    write(place.folder / "sources" / "broken.png", b"no image")
    place.configure(
        name="unpaired",
        data={
            **{"folder": "images", "source": "sources", "pairing": "none", "resolution": 8},
            **{"channels": 1, "eval_percent": 40},
        },
        model=NETWORK | {"source": "map"},
        train=TRAIN,
        sample={"nb_step": 2, "solver": "rk4"},
        evaluate={"samples": 100, "features": "pixels", "limits": "none", "thresholds": PASSED},
    )
    place.run()


def make_archives(place: Place) -> None:
    """Tars, Parquet and files, converted to rectangles; a rejected model that is promoted."""
    folder = place.folder / "archives"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "web.tar", "w") as tar:
        for number in range(120):
            _add(tar, f"{number:03}.jpg", as_bytes(drawn(number, 12), "JPEG"))
            _add(tar, f"{number:03}.cls", str(number % 3).encode())
        _add(tar, "broken.jpg", b"no image")
    with tarfile.open(folder / "folders.tar", "w") as tar:
        for number in range(120, 200):
            _add(tar, f"{SHAPES[number % 3]}/{number}.png", as_bytes(drawn(number, 12)))
    rows = [as_bytes(drawn(number, 12).resize((18, 12))) for number in range(200, 320)]
    rows[5] = rows[5][:200]
    cells = pa.array([{"bytes": row, "path": None} for row in rows])
    labels = pa.array([SHAPES[number % 3] for number in range(200, 320)])
    table = pa.table({"image": cells, "label": labels})
    pq.write_table(table, folder / "rows.parquet", row_group_size=50)
    for number in range(320, 360):
        write(folder / "files" / f"{number}.png", drawn(number, 12))
    for number in range(400, 440):
        write(place.folder / "holdout" / f"{number}.png", drawn(number, 12))
    place.configure(
        name="archives",
        data={
            **{"folder": "archives", "holdout": "holdout", "resolution": [8, 12], "fit": "pad"},
            "eval_percent": 30,
        },
        model=NETWORK | {"prediction": "gaussian", "time_embedding": "scale_shift", "patch": 2},
        train=TRAIN | {"optimizer": "adam", "accumulate": 2, "decay": "constant"},
        sample={"nb_step": 3, "autoguidance": 1.5},
        evaluate={"samples": 100, "features": "random_conv"},
    )
    place.run()
    number = json.loads(place.iadb("models", "--json").out)[-1]["number"]
    place.iadb("promote", number, "--reason", "canonical")
    place.codes["evaluate"] = iadb(
        *("evaluate", place.folder / "holdout", "--real", folder, "-o", place.folder / "outside"),
        *("--set", "evaluate.features=random_conv", "--set", "data.resolution=12"),
    ).code


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


WORKSPACES: dict[str, Callable[[Place], None]] = {
    "digits": make_digits,
    "shapes": make_shapes,
    "pairs": make_pairs,
    "unpaired": make_unpaired,
    "archives": make_archives,
}


def new(folder: Path) -> Place:
    """A new folder for a workspace and its images."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Place(folder, {}, {})


def make(name: str, folder: Path) -> Place:
    """Makes a workspace in a new folder."""
    place = new(folder)
    WORKSPACES[name](place)
    return place
