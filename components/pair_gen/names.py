"""Names of PairGen, its inputs and outputs, and what it writes."""

NODE = "PairGen"
MODEL = "model"  # input: the teacher
EXAMPLES = "examples"  # input: the images that it was trained on
PAIRS = "pairs"  # output, and a property of it: how many there are
DRAWN = "drawn"  # property of them: how many this run drew, with those held out
PAIRS_TYPE = "Examples"  # of the artifact
OPTIONS = "options"  # execution property: PairOptions as JSON
