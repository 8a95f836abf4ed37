"""The subjects: one file, one model; a framework is imported only inside the method that needs it.

To add one, write `models/NAME.py` with `MODEL = Sizes(small=..., full=...)`: a frozen dataclass that draws its weights
under the names of its PyTorch half's state_dict, and has a PyTorch half and a TensorFlow half, each what a user who cares
for speed would write in that framework. tests/frameworks/test_port.py then checks that the halves agree. A half that there is not says
why by MissingImplementation; the TensorFlow half may be a keras.Model. docs/add-a-model.md takes both from other people's
libraries.

`keras` is a third half, of Keras's own layers: what Keras's own format can hold, for `served_keras` alone.

A trap: AutoGraph evaluates the annotations of what it converts, and knows only the names that the body uses. Where a
`__call__` annotates with `tf.Tensor` and its body says `tf` nowhere, it runs unconverted, unless the file begins with
`from __future__ import annotations`, as all of these do.
"""
