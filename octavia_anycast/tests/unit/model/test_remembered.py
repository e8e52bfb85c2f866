# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The octavia-anycast authors
"""What is made of large objects, once for as long as they are used."""

from octavia_anycast.remembered import Remembered


class Maker:
    def __init__(self):
        self.sources = []

    def __call__(self, source):
        self.sources.append(source)
        return len(source), len(self.sources)


def test_it_is_made_once_for_the_same_object():
    maker = Maker()
    remembered = Remembered(maker, 2)
    source = tuple("abc")
    assert remembered(source) == remembered(source) == (3, 1)
    assert maker.sources == [source]


def test_an_equal_object_is_another_one():
    remembered = Remembered(Maker(), 2)
    one, other = tuple("abc"), tuple("abc")
    assert one == other
    assert one is not other
    assert remembered(one) != remembered(other)


def test_the_one_that_was_used_last_stays():
    maker = Maker()
    remembered = Remembered(maker, 2)
    first, second, third = (tuple(text) for text in ("a", "bb", "ccc"))
    for source in (first, second, first, third):
        remembered(source)
    assert maker.sources == [first, second, third]
    assert remembered(first) == (1, 1)
    remembered(second)  # its place was taken
    assert maker.sources == [first, second, third, second]
