"""tf.distribute.MirroredStrategy with two workers, each with one half of every batch."""

from bakeoff.compilers._tf_mirrored import TfMirrored

HEADER = {"framework": "tensorflow", "default": False, "workers": 2}

STACK = TfMirrored(workers=2)
