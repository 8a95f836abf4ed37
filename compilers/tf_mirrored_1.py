"""tf.distribute.MirroredStrategy with one worker: the baseline of its scaling."""

from bakeoff.compilers._tf_mirrored import TfMirrored

HEADER = {"framework": "tensorflow", "default": False, "workers": 1}

STACK = TfMirrored(workers=1)
