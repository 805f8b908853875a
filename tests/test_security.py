"""SECURITY.md names a test for each sentence, and these tests exist."""

import re


def test_every_sentence_has_tests_that_exist(root):
    table = (root / 'SECURITY.md').read_text().partition('| sentence | test |')[2]
    rows = re.findall(r'^\| ([^|]+) \| ([^|]+) \|$', table.partition('\n## ')[0], re.M)
    rows = [row for row in rows if not row[0].startswith('---')]
    assert rows
    for sentence, tests in rows:
        paths = re.findall(r'`(tests/\S+\.py)`', tests)
        assert paths, sentence
        for path in paths:
            assert (root / path).is_file(), f'{path} of {sentence!r}'
