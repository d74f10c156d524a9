import io

import numpy as np
from PIL import Image

from trainer.common import xmp
from trainer.common.image_grid import encode_png


def described(packet):
    with Image.open(io.BytesIO(encode_png(np.zeros([2, 2, 3], np.uint8), packet))) as image:
        return image.getxmp()["xmpmeta"]["RDF"]["Description"]


def test_a_packet_says_that_a_model_made_the_image_and_which():
    found = described(xmp.packet("0123"))
    assert found["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert found["weights"] == "0123"


def test_a_packet_says_whose_picture_a_run_wrote():
    assert described(xmp.packet("", xmp.TRAINING))["writtenBy"] == "training"


def test_what_is_unknown_is_left_out():
    assert described(xmp.packet("")).keys() == {"about", "DigitalSourceType", "CreatorTool"}


def test_text_becomes_no_markup():
    assert described(xmp.packet('"/><script a="'))["weights"] == '"/><script a="'
