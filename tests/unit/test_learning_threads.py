"""How a training leaves cores to what prepares its batches."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from exitwave.learning.threads import parted_threads


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def in_a_new_thread(*calls):
    with ThreadPoolExecutor(1) as pool:
        return [pool.submit(call).result() for call in calls][-1]


@pytest.mark.parametrize(("device", "expected"), [("cpu", 1), ("cuda", 4)])
def test_only_the_thread_that_prepares_batches_keeps_fewer(four_threads, device, expected):
    with parted_threads(torch.device(device)) as leave_cores:
        assert in_a_new_thread(leave_cores, torch.get_num_threads) == expected
        assert torch.get_num_threads() == 4
    assert torch.get_num_threads() == 4
    assert in_a_new_thread(torch.get_num_threads) == 4
