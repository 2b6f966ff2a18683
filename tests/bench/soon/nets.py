"""Which networks are brought, and what is aimed for with each."""

from __future__ import annotations

from dataclasses import dataclass

_DRAWN = "2,400 drawn images of 3x64x64"
_WORDS = "3,000 drawn words of 3x48x192"


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """`code` and `data` are files in `brought`, and functions in them. It is trained for so many `epochs`, or comes
    trained with `packages`.

    `first_s` is what its first variant may take beside its recovery. Caps of `impossible` of the dense model's latency
    are those that no variant keeps.
    """

    name: str
    told: str
    code: str
    data: str
    shape: tuple[int, ...]
    first_s: float | None = 60.0
    epochs: float = 0.0
    rate: float = 3e-3
    packages: tuple[str, ...] = ()
    impossible: float = 0.05

    @property
    def drawing(self) -> str:
        """The file that draws its samples."""
        return self.data.partition(":")[0]


NETS = {
    each.name: each
    for each in (
        Net(
            name="detector",
            told=f"a backbone as of YOLO, 350,038 parameters; {_DRAWN}",
            code="detector.py",
            data="shapes.py:data",
            shape=(3, 64, 64),
            epochs=16,
        ),
        Net(
            name="transformer",
            told=f"a vision transformer, 1,864,734 parameters; {_DRAWN}",
            code="transformer.py",
            data="shapes.py:data",
            shape=(3, 64, 64),
            epochs=8,
            rate=1e-3,
        ),
        Net(
            name="resnet",
            told=f"ResNet-18, 11,179,590 parameters; {_DRAWN}",
            code="resnet.py",
            data="shapes.py:data",
            shape=(3, 64, 64),
            epochs=4,
        ),
        Net(
            name="direction",
            told=f"the net for the direction of text in rapidocr-onnxruntime 1.4.4, 127,000 parameters; {_WORDS}",
            code="direction.py",
            data="words.py:data",
            shape=(3, 48, 192),
            packages=("rapidocr-onnxruntime==1.4.4", "onnx2torch==1.5.15"),
        ),
        Net(
            name="narrow",
            told=f"depthwise, of 51 convolutions and 83,098 parameters; {_WORDS}",
            code="narrow.py",
            data="words.py:data",
            shape=(3, 48, 192),
            first_s=None,
            epochs=12,
            rate=5e-3,
        ),
        Net(
            name="resnet224",
            told="the same ResNet-18; 600 of the drawn images, scaled up to 3x224x224",
            code="resnet.py",
            data="shapes.py:large",
            shape=(3, 224, 224),
            first_s=180.0,
            epochs=3,
            rate=1e-3,
        ),
    )
}
COMPARED = ("detector", "direction")  # with release 0.1 at the same latency
