"""Images as an array that Pillow and notebooks can show."""

import numpy as np
from PIL import Image


class Images(np.ndarray):
    """Images, uint8 [..., H, W, C]; parts and copies of such an array are of this type too."""

    @property
    def images(self) -> list[Image.Image]:
        """Each of [N, H, W, C] as an image of Pillow.

        Raises:
            ValueError: the array has another rank or type.
        """
        if self.ndim != 4 or self.dtype != np.uint8:
            raise ValueError(f"expected images, uint8 [N, H, W, C], got {self.dtype} {self.shape}")
        return [Image.fromarray(each[..., 0] if self.shape[3] == 1 else each) for each in self]
