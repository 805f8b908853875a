"""Install mmseg_eff with its configs, so that they are found from any folder."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = ('configs', 'tools', 'model-index.yml')  # what mmengine looks for in <package>/.mim


class BuildWithConfigs(build_py):
    """Put ``SHIPPED`` into ``mmseg_eff/.mim``: copies in a wheel, links in an editable install."""

    def run(self) -> None:
        super().run()
        in_place = self.editable_mode
        target = ROOT / 'mmseg_eff/.mim' if in_place else Path(self.build_lib, 'mmseg_eff/.mim')
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in SHIPPED:
            if in_place and os.name != 'nt':
                (target / name).symlink_to(Path('../..', name))
            elif (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, target / name, ignore=shutil.ignore_patterns('__pycache__')
                )
            else:
                shutil.copy(ROOT / name, target / name)


def requirements(name: str) -> list[str]:
    """The requirements in ``requirements/{name}.txt``."""
    lines = (ROOT / f'requirements/{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


common = [
    'torch>=2.10',  # CVE-2026-24747: a file corrupts the memory of earlier ones
    'numpy>=2',
    'matplotlib',
    'opencv-python',
    'pillow',
    'platformdirs',
    'prettytable',
    'pycocotools',
    'pyyaml',
    'rich',
    'scipy',
    'safetensors',
    'setuptools',  # mmengine imports it without a declaration
    'shtab',
]
setup(
    name='mmseg_eff',
    version=re.search(r"__version__ = '(.+)'", (ROOT / 'mmseg_eff/version.py').read_text('utf-8'))[
        1
    ],
    description='Efficient semantic segmentation networks for MMSegmentation',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='mmseg_eff contributors',
    license='Apache-2.0',
    keywords='semantic segmentation, MMSegmentation, ESPNet, ESPNetv2, DeepLab, ESeg',
    classifiers=[
        'Development Status :: 5 - Production/Stable',
        'Environment :: Console',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        *(f'Programming Language :: Python :: 3.{minor}' for minor in (11, 12, 13)),
        'Topic :: Scientific/Engineering :: Image Recognition',
        'Typing :: Typed',
    ],
    python_requires='>=3.11,<3.14',
    packages=find_packages(include=['mmseg_eff', 'mmseg_eff.*']),
    package_data={
        'mmseg_eff': ['py.typed', 'assets/*'],
        'mmseg_eff.deploy': ['web/*', 'web/*/*'],
        'mmseg_eff.hub': ['index.json', 'networks/*'],
    },
    cmdclass=dict(build_py=BuildWithConfigs),
    entry_points=dict(console_scripts=['mmseg-eff = mmseg_eff.commands:main']),
    install_requires=common,
    # One of the two stacks is needed, and pip cannot say "or": choose it by the extra.
    extras_require={
        name: requirements(name)
        for name in (
            'openmmlab',
            'onedl',
            'deploy',
            'executorch',
            'litert',
            'serve',
            'slides',
            'video',
            'crf',
            'test',
            'docs',
        )
    },
)
