"""Names under which ImageTrainer and what it makes are found; most are those of TFX's Trainer."""

NODE = "Trainer"
STUDENT = "Student"  # the node that trains a student

# Inputs and outputs.
EXAMPLES = "examples"
BASE_MODEL = "base_model"
MODEL = "model"
MODEL_RUN = "model_run"

MODEL_TYPE = "Model"  # of the artifact
SERVING = "Format-Serving"  # in the root of a Model: the sampler SavedModel
CUSTOM_CONFIG = "custom_config"  # execution property: options as JSON
TEACHER = "teacher"  # custom property of a student's Model: the id of its teacher's
STARTED_FROM = "started_from"  # custom property of a Model: the id of that which it started from
STEPS = "steps"  # execution property: batches trained on
