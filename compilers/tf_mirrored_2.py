"""tf.distribute.MirroredStrategy with two workers, half of every batch each."""

from bakeoff.compilers._tf_mirrored import TfMirrored

FRAMEWORK = "tensorflow"
DEFAULT = False
WORKERS = 2

STACK = TfMirrored(WORKERS)
