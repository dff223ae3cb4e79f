"""ONNX: a graph of operations that ONNX Runtime and many others compute."""

from typing import Any

import torch
from torch import Tensor

from lit_gan.exporting.file_format import KEY, FileFormat, reason
from lit_gan.exporting.generator import ExportedGenerator, Inputs
from lit_gan.functional.normal_quantile import normal_quantile

_MOST_BYTES = 2_000_000_000  # protobuf's limit is 2 GiB; the graph itself needs some


class OnnxFile(FileFormat):
    """By ``torch.export``, whose graph torch's own exporter translates; checked by ONNX Runtime.

    Example:
        >>> OnnxFile().name  # after --format
        'onnx'
    """

    name = "onnx"
    suffixes = (".onnx",)
    packages = ("onnx", "onnxscript", "onnxruntime")
    checked_by = "onnxruntime"

    def content(self, generator: ExportedGenerator, inputs: Inputs, description: str) -> bytes:
        """See :meth:`FileFormat.content`."""
        size = sum(each.numel() * each.element_size() for each in generator.state_dict().values())
        if size > _MOST_BYTES:
            raise self.refusal(f"weights of {size / 1e9:.1f} GB do not fit into one file, whose limit is 2 GB")
        arguments = tuple(inputs.values())
        rows = {0: torch.export.Dim("N", min=1)}
        try:
            program = torch.export.export(generator, arguments, dynamic_shapes=(rows,) * len(arguments), strict=False)
            # ONNX has no quantile function of the normal distribution, by which a MixtureMLPGenerator chooses.
            program = program.run_decompositions({torch.ops.aten.special_ndtri.default: normal_quantile})
            written = torch.onnx.export(
                program, input_names=list(inputs), output_names=["images"], dynamo=True, verbose=False
            )
            assert written is not None  # noqa: S101 -- what torch's type allows for its earlier exporter
            written.model.metadata_props[KEY] = description
            content: bytes = _with_named_rows(written.model_proto).SerializeToString()
        except Exception as error:  # any network at all may be given, and torch may raise anything
            raise self.refusal(f"torch cannot export it ({reason(error)})") from error
        return content

    def images(self, content: bytes, generator: ExportedGenerator, inputs: Inputs) -> Tensor:
        """See :meth:`FileFormat.images`."""
        import onnxruntime  # noqa: PLC0415 -- only where it is installed

        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors; they are raised, too
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        [images] = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        return torch.from_numpy(images)


def _with_named_rows(model: Any) -> Any:
    """A model whose number of rows is called N; torch 2.14 calls it by a number of its own."""
    graph = model.graph
    for each in (*graph.input, *graph.output):
        each.type.tensor_type.shape.dim[0].dim_param = "N"
    graph.ClearField("value_info")  # shapes within, under the earlier name: whoever loads the file works them out
    return model
