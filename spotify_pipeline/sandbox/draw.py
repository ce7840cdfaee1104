"""Chance that is the same everywhere: numbers and ids drawn from the hash of a key.

Nothing here knows about music. `hash()` differs between processes and the methods of
`random.Random` may differ between Python versions, so neither is used in this room.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Draw:
    """A well of 512 bits that depends on nothing but its key; every draw uses some of them up.

    One well a thing (a song, an album) makes each of them independent of all others, so that any
    one of millions can be had without the rest.
    """

    def __init__(self, *key: object) -> None:
        text = "\x1f".join(map(str, key))
        self._bits = int.from_bytes(blake2b(text.encode()).digest(), "big")

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        self._bits, number = divmod(self._bits, bound)
        return number

    def between(self, first: int, last: int) -> int:
        """A number from `first` to `last`, both included."""
        return first + self.below(last - first + 1)

    def one_in(self, times: int) -> bool:
        """True once in so many `times`."""
        return self.below(times) == 0

    def pick(self, options: Sequence[T]) -> T:
        """One of the `options`."""
        return options[self.below(len(options))]

    def hex(self, length: int) -> str:
        """So many hexadecimal digits."""
        return f"{self.below(16**length):0{length}x}"

    def text(self, alphabet: str, length: int) -> str:
        """So many characters of `alphabet`."""
        base = len(alphabet)
        number = self.below(base**length)
        digits = []
        for _ in range(length):
            number, digit = divmod(number, base)
            digits.append(alphabet[digit])
        return "".join(digits)


def spotify_id(*key: object) -> str:
    """The id of the thing that `key` names: 22 characters of base62, as Spotify's are."""
    return Draw("id", *key).text(BASE62, 22)
