"""tf.distribute.MirroredStrategy with one worker: what its scaling is measured from."""

from bakeoff.compilers._tf_mirrored import TfMirrored

FRAMEWORK = "tensorflow"
DEFAULT = False
WORKERS = 1

STACK = TfMirrored(WORKERS)
