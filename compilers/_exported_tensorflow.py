"""What do the formats exported from TensorFlow share? Its layout of inputs, and inference as one tf.function."""

from typing import Any

from bakeoff import Array, Batch, Model, Unsupported
from bakeoff.compilers._served import ServedStack

INPUT = "input_{}"


class TensorFlowExported(ServedStack):
    """Served with the inputs of the TensorFlow implementation."""

    def exported_inputs(self, model: Model, batch: Batch) -> tuple[Array, ...]:
        return model.tensorflow_inputs(*batch.inputs)


def traced(program: Any, example: Any) -> tuple[Any, Any]:
    """(the program's inference as a tf.function, its one concrete function), with inputs named input_0, input_1, ..."""
    import tensorflow as tf

    function = tf.function(program.module.__call__, input_signature=signature(example))
    try:
        return function, function.get_concrete_function()
    except Exception as error:
        if getattr(error, "ag_error_metadata", None) is None:
            raise
        # it was raised while tracing the user's Python
        from bakeoff.compilers._tf_captured import tracing_stopped

        place, message = tracing_stopped(error)
        raise Unsupported(f"tracing stops at {place}: {message}") from error


def signature(example: Any) -> list[Any]:
    """A named TensorSpec for each tensor of the example batch."""
    import tensorflow as tf

    return [tf.TensorSpec(tensor.shape, tensor.dtype, name=INPUT.format(i)) for i, tensor in enumerate(example)]
