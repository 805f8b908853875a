"""The command ``mmseg-eff``: its subcommands, help without libraries, usage errors, completion."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mmseg_eff
from mmseg_eff.commands import COMMANDS, build_parser, load, main

CONFIG = 'espnet-p2q3_1xb8-0.6k_toystreet-128x256'
HEAVY = ('cv2', 'mmcv', 'mmengine', 'mmseg', 'numpy', 'rich', 'torch')
IMPORTED = f"""
import json, sys
sys.argv = ['mmseg-eff', *sys.argv[1:]]
from mmseg_eff.commands import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, [name for name in {HEAVY} if name in sys.modules]]))
"""


def run(*words, **environment):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(Path(mmseg_eff.__file__).parents[1]), **environment},
    )


def hyphenated(name):
    return name.replace('_', '-')


def test_subcommands_have_the_names_of_the_tools(root):
    assert sorted(COMMANDS) == sorted(path.stem for path in (root / 'tools').glob('*.py'))


@pytest.mark.parametrize('words', [['--help'], [], *([hyphenated(c), '--help'] for c in COMMANDS)])
def test_help_comes_without_the_libraries(words):
    done = run('-c', IMPORTED, *words)
    assert done.returncode == 0, done.stderr
    *text, last = done.stdout.splitlines()
    assert json.loads(last) == [0, []]
    assert text[0].startswith(f'usage: mmseg-eff {words[0] if len(words) > 1 else "["}')


def test_arguments_of_the_process_are_the_subcommands(tmp_path):
    """Without the name of the subcommand, by the program's own arguments."""
    done = run('-m', 'mmseg_eff', 'convert-weights', 'espnet', 'none.pth', str(tmp_path / 'w.pth'))
    assert done.returncode == 1
    assert done.stderr.startswith('error: none.pth: ') and done.stderr.count('\n') == 1


def test_help_lists_every_subcommand(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    lines = capsys.readouterr().out.splitlines()
    summaries = {words[0]: words[1:] for line in lines if len(words := line.split(None, 1)) > 1}
    for name in COMMANDS:
        assert summaries[name] != [], name


@pytest.mark.parametrize('name', COMMANDS)
def test_summary_is_the_first_line_of_the_module(name):
    summary, _, rest = load(name).__doc__.partition('\n')
    assert summary.endswith('.') and (not rest or rest.startswith('\n'))


@pytest.mark.parametrize('words', [['--version'], ['-m', 'mmseg_eff', '--version']])
def test_version(capsys, words, version):
    if '-m' in words:
        done = run(*words)
        assert (done.returncode, done.stdout) == (0, f'mmseg-eff {version}\n'), done.stderr
        return
    with pytest.raises(SystemExit, match='0'):
        main(words)
    assert capsys.readouterr().out == f'mmseg-eff {version}\n'


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['trian'], 'trian'),
        (['--trian'], 'SUBCOMMAND'),
        (['train'], 'the following arguments are required'),
        (['check-dataset', CONFIG, '--outt', 'x'], '--outt'),
        (['export', CONFIG, 'w.pth', '--out', 'x', '--backend', 'onx'], "invalid choice: 'onx'"),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_status_2(capsys, words, message):
    with pytest.raises(SystemExit, match='2'):
        main([*words])
    error = capsys.readouterr().err
    assert error.startswith('usage: mmseg-eff') and message in error


@pytest.mark.parametrize('name', [name for name in COMMANDS if '_' in name])
def test_names_may_have_hyphens(capsys, name):
    helps = []
    for spelled in (name, hyphenated(name)):
        with pytest.raises(SystemExit, match='0'):
            main([spelled, '--help'])
        helps.append(capsys.readouterr().out)
    assert helps[1].startswith(f'usage: mmseg-eff {hyphenated(name)} ')
    first, second = (''.join(text.split()).replace('_', '-') for text in helps)
    assert first == second  # but for the breaks of lines


def test_bare_name_of_a_config(capsys, tmp_path, monkeypatch):
    """From any folder, and its figures are those of the file."""
    monkeypatch.chdir(tmp_path)
    printed = []
    for config in (CONFIG, f'mmseg_eff::espnet/{CONFIG}.py'):
        assert main(['complexity', config, '--size', '64', '128']) == 0
        printed.append(capsys.readouterr().out.partition('\n')[2])  # without the title
    assert 'backbone' in printed[0] and printed[0] == printed[1]


def test_user_errors_are_status_1(capsys):
    assert main(['complexity', CONFIG.replace('toystreet', 'toystret')]) == 1
    out, error = capsys.readouterr()
    assert not out and error.count('\n') == 1
    assert error.endswith(f'did you mean {CONFIG}?\n')


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'tcsh'])
def test_completion_knows_the_subcommands_and_their_options(capsys, shell):
    with pytest.raises(SystemExit, match='0'):
        main(['--print-completion', shell])
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert '--work-dir' in script or 'work-dir' in script


@pytest.mark.skipif(not shutil.which('bash'), reason='no bash')
def test_bash_accepts_the_completion(tmp_path, capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--print-completion', 'bash'])
    (tmp_path / 'completion').write_text(capsys.readouterr().out)
    script = 'source completion; complete -p mmseg-eff'
    done = subprocess.run(['bash', '-c', script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and 'mmseg-eff' in done.stdout, done.stderr


def test_parser_of_all_subcommands_has_each():
    """Completion and usage errors read it, and a run only its own."""
    parser = build_parser()
    (action,) = (a for a in parser._actions if getattr(a, 'choices', None) and 'train' in a.choices)
    assert list(action.choices) == list(COMMANDS)
