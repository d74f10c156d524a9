"""Names under which AtomicPusher and what it makes are found; they are those of TFX's Pusher."""

NODE = "Pusher"
STUDENT_NODE = "StudentPusher"
TEACHER = "teacher"  # input, of a student's pusher: the Model that it was distilled from
PUSHED_MODEL = "pushed_model"  # output
VERSION_FILE = "version.txt"  # in its root: where the version lies

# Its custom properties.
PUSHED = "pushed"  # 1 or 0
DESTINATION = "pushed_destination"
VERSION = "pushed_version"
