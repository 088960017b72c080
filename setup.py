"""What setup.cfg cannot say: configs/, at the top of a clone, is installed as the data of fashion_hash.configs."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["fashion_hash", "fashion_hash.*"]), "fashion_hash.configs"],
    package_dir={"fashion_hash.configs": "configs"},
)
