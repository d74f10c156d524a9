"""Names of the files that a training exports, for all who read them."""

# In a SavedModel, where servers ignore extra files:
METADATA = "assets.extra/iadb.json"
TEACHER = "teacher"  # key in it: the sampler SavedModel that a student was distilled from
FIXED_STEPS = "fixed_steps"  # key in it: true if the model always takes its own `nb_step` steps
WARM_UP = "assets.extra/tf_serving_warmup_requests"  # except this one, by its name
NETWORK = "assets.extra/network.onnx"  # the network alone, as ONNX
FINGERPRINT = "fingerprint.pb"  # by TensorFlow, with a random id for each SavedModel
MODEL_CARD = "MODEL_CARD.md"  # in a pushed version
CARD_SAMPLES = "samples.png"  # beside it, a grid
# In the custom_config of a training: true if it distills its base model into a student.
STUDENT_KEY = "student"
