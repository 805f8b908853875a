"""The text of the pages: nothing is said twice, and no page is as long as the README was."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
LONGEST = 3000  # words; the README had 5351
SHORT = 8  # words of a sentence that may be repeated
BLOCK = re.compile(r'^```.*?^```$', re.DOTALL | re.MULTILINE)
SENTENCE_END = re.compile(r'(?<=[.:;!?])\s+|\s*\|\s*|\n\s*[-#]+ |\n\n')


def sentences(text):
    """Sentences, list items and table cells of a page, as plain words, without pictures."""
    text = re.sub(r'!\[[^]]*\]\([^)]*\)', '', BLOCK.sub('\n\n', text))
    for part in SENTENCE_END.split(text):
        words = re.findall(r'[\w.+-]+', re.sub(r'\]\([^)]*\)', ']', part).casefold())
        if len(words) > SHORT:
            yield ' '.join(words)


def repeated(pages):
    """Sentences that are on several pages or several times on one, with the names of the pages."""
    found = defaultdict(list)
    for name, text in pages.items():
        for sentence in sentences(text):
            found[sentence].append(name)
    return {sentence: names for sentence, names in found.items() if len(names) > 1}


def test_no_sentence_is_written_twice():
    assert repeated({path.relative_to(ROOT).as_posix(): path.read_text() for path in PAGES}) == {}


def test_a_repeated_sentence_is_found():
    sentence = 'A checkpoint is written under a temporary name and then [renamed](a.md).'
    pages = dict(a=f'Text. {sentence}\n', b=f'| cell | {sentence.replace("a.md", "b.md")} |')
    assert [*repeated(pages).values()] == [['a', 'b']]
    assert not repeated(dict(a='A short one.', b='A short one.'))


def test_pages_are_short():
    counts = {path.name: len(path.read_text().split()) for path in PAGES}
    assert {name: count for name, count in counts.items() if count > LONGEST} == {}
