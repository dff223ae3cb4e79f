"""A trained generator as a file that needs no lit_gan: written, checked, described on a card."""

from lit_gan.exporting.export import Export as Export
from lit_gan.exporting.export import export_generator as export_generator
from lit_gan.exporting.file_format import FileFormat as FileFormat
from lit_gan.exporting.onnx_file import OnnxFile as OnnxFile
from lit_gan.exporting.safetensors_file import SafetensorsFile as SafetensorsFile
from lit_gan.exporting.torchscript_file import TorchScriptFile as TorchScriptFile
