"""The commands of ``dicom-deid``: each module has ``add_arguments(parser)`` and ``main(options) -> int``."""
