"""The bounded queue: order, both policies, its end."""

from __future__ import annotations

import threading

from invisp_deploy.streaming.queues import FrameQueue


def test_a_full_queue_waits_for_room() -> None:
    queue: FrameQueue[int] = FrameQueue(2, "wait")
    putting = threading.Thread(target=lambda: [queue.put(number) for number in range(5)])
    putting.start()
    while queue.depth < 2:
        pass
    assert [queue.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    putting.join()
    assert (queue.most, queue.dropped, queue.depth) == (2, 0, 0)


def test_the_oldest_makes_room_and_is_counted() -> None:
    queue: FrameQueue[int] = FrameQueue(3, "drop-oldest")
    assert all(queue.put(number) for number in range(10))
    queue.close()
    assert [queue.get() for _ in range(4)] == [7, 8, 9, None]
    assert (queue.most, queue.dropped) == (3, 7)


def test_close_wakes_who_waits_for_a_frame() -> None:
    queue: FrameQueue[int] = FrameQueue(1, "wait")
    got: list[int | None] = []
    getting = threading.Thread(target=lambda: got.append(queue.get()))
    getting.start()
    queue.close()
    getting.join()
    assert got == [None]


def test_abort_forgets_refuses_and_wakes() -> None:
    queue: FrameQueue[int] = FrameQueue(1, "wait")
    assert queue.put(1)
    put: list[bool] = []
    putting = threading.Thread(target=lambda: put.append(queue.put(2)))
    putting.start()
    queue.abort()
    putting.join()
    assert put == [False]
    assert queue.get() is None
