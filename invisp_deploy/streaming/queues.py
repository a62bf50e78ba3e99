"""A bounded queue between two stages: who is behind waits, or the oldest frame goes, counted."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, Generic, TypeVar

POLICIES: Final = ("wait", "drop-oldest")
"""What happens to a frame that finds the queue full: it waits, or the oldest one in the queue makes room."""

_Item = TypeVar("_Item")


class FrameQueue(Generic[_Item]):
    """First in, first out, at most `size` items, between two threads.

    most: deepest it has been. dropped: items that made room for newer ones.
    """

    def __init__(self, size: int, policy: str) -> None:
        self.size = size
        self.most = 0
        self.dropped = 0
        self._drop = policy == "drop-oldest"
        self._items: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False

    @property
    def depth(self) -> int:
        return len(self._items)

    def put(self, item: _Item) -> bool:
        """Append; waits for room or drops, after the policy. False where the queue was aborted: the item is lost."""
        with self._changed:
            while len(self._items) >= self.size and not self._drop and not self._aborted:
                self._changed.wait()
            if self._aborted:
                return False
            if len(self._items) >= self.size:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self.most = max(self.most, len(self._items))
            self._changed.notify_all()
            return True

    def get(self) -> _Item | None:
        """The oldest item, as soon as there is one; None once the queue is closed and empty, or aborted."""
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Nothing more is put; what is in the queue can still be had."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Forget what is in the queue, refuse what is put, and wake everyone."""
        with self._changed:
            self._items.clear()
            self._aborted = self._closed = True
            self._changed.notify_all()
