"""Import the parts of large packages when they are used first.

``import mmseg`` and ``import mmengine.runner`` import every network, dataset, loop and sharded
optimizer there is, which takes longer than to label an image. The packages listed here only collect
names of their modules (``from .cityscapes import CityscapesDataset``). These lines are noted, and
the module is imported when somebody asks for one of the names: as an attribute, by
``from … import``, or by its name in a registry (see ``_lazy_registries``). What else stands in the
``__init__`` file runs as it is.
"""

import ast
import builtins
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType, SimpleNamespace
from typing import Any

PACKAGES = frozenset(
    f'{project}.{package}'
    for project, packages in {
        'mmengine': (
            'dataset evaluator hooks infer model model.wrappers optim optim.optimizer '
            'optim.scheduler runner visualization'
        ),
        'mmseg': (
            'apis datasets datasets.transforms engine engine.hooks engine.optimizers '
            'engine.schedulers evaluation evaluation.metrics models models.assigners '
            'models.backbones models.decode_heads models.losses models.necks models.segmentors '
            'models.text_encoder models.utils utils visualization'
        ),
        'mmseg_eff': (
            'datasets deploy engine engine.hooks evaluation models models.backbones '
            'models.decode_heads models.losses models.necks models.segmentors'
        ),
    }.items()
    for package in packages.split()
)
LATE = {  # module -> module that it takes functions from, which few who import it call
    'mmseg.datasets.transforms.transforms': 'scipy.ndimage',
}
Hook = Callable[[ModuleType], object]

_names: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)  # name -> package, module
_pending: dict[str, None] = {}  # modules that nobody has asked for, in the order of the files
_hooks: defaultdict[str, list[Hook]] = defaultdict(list)


class LazyFinder(MetaPathFinder):
    """Find the listed packages and the modules with hooks as the other finders do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in PACKAGES and name not in _hooks and name not in LATE:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, 'find_spec'):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = LazyLoader(spec.loader)
                return spec
        return None


class LazyLoader(Loader):
    """Run a module by its own loader, or a listed package without the modules that it collects.

    Args:
        loader: The module's own loader.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        if name in PACKAGES and isinstance(self.loader, SourceFileLoader):
            run_lazily(module, self.loader)
        elif name in LATE and LATE[name] not in sys.modules:
            module.__dict__['__builtins__'] = {**vars(builtins), '__import__': late(LATE[name])}
            self.loader.exec_module(module)
        else:
            self.loader.exec_module(module)
        for hook in _hooks.pop(name, ()):
            hook(module)


def run_lazily(module: ModuleType, loader: SourceFileLoader) -> None:
    """Run a package's ``__init__`` file; what it imports from its modules waits for its use."""
    path = loader.get_filename(module.__name__)
    tree = Deferring(loader.get_data(path)).tree
    names: dict[str, tuple[str, str]] = {}  # name here -> module and name there
    modules: dict[str, str] = {}  # name here -> module

    def defer(below: str, pairs: Sequence[tuple[str, str]]) -> None:
        full = f'{module.__name__}.{below}'
        if full in sys.modules:
            found = {new: getattr(sys.modules[full], old) for old, new in pairs}
            module.__dict__.update(found)
            return
        modules.setdefault(below.partition('.')[0], full)
        _pending.setdefault(full)
        for old, new in pairs:
            names[new] = full, old
            _names[new].append((module.__name__, full))

    def defer_all(below: str) -> None:
        full = f'{module.__name__}.{below}'
        exported = None if full in sys.modules else exports(full)
        if exported is None:
            there = import_module(full)
            public = getattr(there, '__all__', [name for name in vars(there) if name[:1] != '_'])
            module.__dict__.update({name: getattr(there, name) for name in public})
        else:
            defer(below, [(name, name) for name in exported])

    def find(name: str) -> Any:
        if name in names:
            full, there = names[name]
            value = getattr(import_module(full), there)
        elif name in modules:
            value = import_module(modules[name])
        else:
            raise AttributeError(f'module {module.__name__!r} has no attribute {name!r}')
        module.__dict__[name] = value
        return value

    module.__dict__.update(
        __getattr__=find,
        __dir__=lambda: sorted({*module.__dict__, *names, *modules}),
        __defer__=defer,
        __defer_all__=defer_all,
    )
    exec(compile(tree, path, 'exec', dont_inherit=True), module.__dict__)
    del module.__dict__['__defer__'], module.__dict__['__defer_all__']


class Deferring(ast.NodeTransformer):
    """Turn ``from .module import name`` of a file into notes for ``run_lazily``.

    It stays as it is in ``try``, where the name is that of the module, which Python binds to it,
    too, and where the file itself uses the name.

    Args:
        source: Content of the file.
    """

    def __init__(self, source: bytes) -> None:
        self.tree = ast.parse(source)
        self.used = {
            node.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
        self.tree = ast.fix_missing_locations(self.visit(self.tree))

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Module | ast.If | ast.ImportFrom):
            return super().visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.level != 1 or not node.module:
            return node
        pairs = [(alias.name, alias.asname or alias.name) for alias in node.names]
        bound = {new for _, new in pairs}
        if bound & self.used or node.module.partition('.')[0] in bound:
            return node
        function, arguments = ('__defer__', f', {pairs!r}')
        if pairs == [('*', '*')]:
            function, arguments = ('__defer_all__', '')
        call = ast.parse(f'{function}({node.module!r}{arguments})').body[0]
        for part in ast.walk(call):
            ast.copy_location(part, node)
        return call


def late(delayed: str) -> Callable[..., Any]:
    """A function like ``__import__``; what it gives of one module are functions that import it."""

    def function(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(delayed), name)(*args, **kwargs)

        return call

    def find(name: str, *args: Any, **kwargs: Any) -> Any:
        names = args[2] if len(args) > 2 else kwargs.get('fromlist')
        if name == delayed and names:
            return SimpleNamespace(**{name: function(name) for name in names})
        return builtins.__import__(name, *args, **kwargs)

    return find


def exports(name: str) -> list[str] | None:
    """``__all__`` of a module that is not imported; ``None`` if its file does not list it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin or not spec.origin.endswith('.py'):
        return None
    with open(spec.origin, 'rb') as file:
        tree = ast.parse(file.read())
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == '__all__'
    ]
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and statement.targets[0] in found and len(found) == 1:
            with suppress(ValueError):
                return list(ast.literal_eval(statement.value))
    return None


def waiting(name: str) -> list[tuple[str, str]]:
    """The packages that note a name of this spelling, each with the module to import for it."""
    return [
        (package, module)
        for package, module in _names.get(name, ())
        if not getattr(getattr(sys.modules.get(module), '__spec__', None), '_initializing', False)
    ]


def load(name: str) -> None:
    """Import the modules that export a name, but for one whose import has begun."""
    for package, module in waiting(name):
        getattr(import_module(package), name)
        with suppress(ValueError):  # another thread was faster
            _names[name].remove((package, module))


def load_all() -> bool:
    """Import every module that waits, with those that it brings; whether there were any."""
    found = False
    while _pending:
        module = next(iter(_pending))
        del _pending[module]
        found = found or module not in sys.modules
        import_module(module)
    return found


def note_all() -> None:
    """Note the names of every listed package, whether or not anybody has imported it."""
    for name in PACKAGES - sys.modules.keys():
        import_module(name)


def after_import(name: str, hook: Hook) -> None:
    """Call a function with a module: when it has been imported, or now if it is already."""
    if name in sys.modules:
        hook(sys.modules[name])
    else:
        _hooks[name].append(hook)


def install() -> None:
    """Let Python import the listed packages lazily, those that are not imported yet."""
    if not any(isinstance(finder, LazyFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, LazyFinder())
