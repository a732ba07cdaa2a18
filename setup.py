"""Package definition; also usable as Dataflow's ``--setup_file``."""

from setuptools import find_packages, setup

EXTRAS = {
    "spark": ["pyspark>=3.5,<5"],
    "gcp": ["apache-beam[gcp]>=2.77,<3"],
    "aws": ["s3fs>=2026.2", "boto3"],
    "azure": ["adlfs>=2026.2"],
    "tesseract": ["pytesseract>=0.3.13"],
    "tesserocr": ["tesserocr>=2.8"],
    "video": ["av>=14"],
    "bench": ["dicom-anonymizer>=1.0.13", "faker>=30", "presidio-image-redactor>=0.0.56", "highdicom>=0.27"],
    "train": ["jax>=0.4.30", "onnx>=1.16"],
    "readers": ["pandas>=2.2"],  # what reads the audit, for tests; beside the environment, since pyarrow imports pandas where it finds it
    "dev": [
        "gcp-storage-emulator>=2024.8",
        "hypothesis>=6.100",
        "moto[s3,server]>=5",
        "mypy>=1.15",
        "pandas-stubs",
        "psutil>=6",
        "pytest>=8",
        "pytest-timeout",
        "ruff>=0.9",
        "sqlglot>=26",
        "types-PyYAML",
    ],
}

setup(
    name="dicom-deid-pipeline",
    version="0.1.0",
    packages=find_packages(include=["pipeline", "pipeline.*", "transforms", "transforms.*"]),
    package_data={"transforms": ["**/data/*"], "pipeline": ["**/*.html", "**/*.css"]},
    python_requires=">=3.11,<3.13",
    entry_points={"console_scripts": ["dicom-deid = pipeline.cli:main"]},
    install_requires=[
        "apache-beam>=2.77,<3",
        "pydicom>=3.0.2,<4",
        "numpy>=2",
        "pyarrow>=18",
        "fsspec>=2026.2",
        "gcsfs>=2026.2",
        "opencv-python-headless>=4.10",
        "presidio-analyzer>=2.2.360",
        "pydantic>=2.7",
        "PyYAML>=6",
        "rapidocr>=3.10",
        "onnxruntime>=1.20",
        "openvino>=2025.0",
        "pytesseract>=0.3.13",
        "pylibjpeg[all]>=2.1",
        "pyjpegls>=1.5",
        "python-gdcm>=3.2.6",
        "duckdb>=1.4",
        "jinja2>=3.1",
        "jpeglib>=1.0",
        "pillow>=11",
    ],
    extras_require=EXTRAS,
)
