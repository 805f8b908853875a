import weakref

from mmseg_eff.self_training.label_files import LabelRecord, summarise_labels


def test_one_record_at_a_time_is_kept():
    alive: list[weakref.ref] = []

    def records():
        for number in range(20):
            assert sum(ref() is not None for ref in alive) <= 1
            record = LabelRecord('digest', 10, [number, 1], [number, 0])
            alive.append(weakref.ref(record))
            yield record

    summary = summarise_labels(records(), ('road', 'car'))
    assert (summary.images, summary.pixels) == (20, 200)
    assert [row.predicted_pixels for row in summary.classes] == [190, 20]
    assert [row.kept_pixels for row in summary.classes] == [190, 0]
