"""What formats exported from TensorFlow share: the half's own layout, and its inference as one tf.function."""

from typing import Any

from bakeoff import Array, Batch, Model, Unsupported
from bakeoff.compilers._served import ServedStack

INPUT = "input_{}"


class TensorFlowExported(ServedStack):
    """Inputs are those of the TensorFlow half."""

    def shipped(self, model: Model, batch: Batch) -> tuple[Array, ...]:
        return model.tensorflow_inputs(*batch.inputs)


def traced(program: Any, example: Any) -> tuple[Any, Any]:
    """(tf.function, its one concrete function), with inputs named input_0, input_1, ..."""
    import tensorflow as tf

    function = tf.function(program.module.__call__, input_signature=signature(example))
    try:
        return function, function.get_concrete_function()
    except Exception as error:
        if getattr(error, "ag_error_metadata", None) is None:
            raise
        # raised while tracing the user's Python
        from bakeoff.compilers._tf_captured import tracing_stopped

        place, said = tracing_stopped(error)
        raise Unsupported(f"tracing stops at {place}: {said}") from error


def signature(example: Any) -> list[Any]:
    """The example's shapes and types, by name."""
    import tensorflow as tf

    return [tf.TensorSpec(tensor.shape, tensor.dtype, name=INPUT.format(i)) for i, tensor in enumerate(example)]
