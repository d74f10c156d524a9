"""Image files in, tf.Examples out; bad files set aside and named."""
