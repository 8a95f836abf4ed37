"""The models: one file, one model. A framework is imported only inside the method that needs it.

To add one, write `models/NAME.py` with `MODEL = Sizes(small=..., full=...)`. A model is a frozen dataclass that draws its
weights under the names of its PyTorch state_dict. It has one implementation per framework, each written as a user who wants
speed would write it in that framework; tests/frameworks/test_implementations.py checks that they agree. A missing
implementation raises MissingImplementation with the reason. docs/add-a-model.md shows how to use models from other libraries.

`tensorflow` returns a tf.Module or a keras.Model. `keras` returns a model of Keras's own layers only: what Keras's file format
can hold, used by `served_keras`.

AutoGraph evaluates the annotations of a function that it converts, and knows only the names that the function's body uses. If a
`__call__` is annotated with `tf.Tensor` and its body does not use `tf`, AutoGraph leaves it unconverted, unless the file begins
with `from __future__ import annotations`. All files here do.
"""
