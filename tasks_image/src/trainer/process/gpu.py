"""Whether this process can use a GPU."""

from __future__ import annotations

import ctypes


def visible_gpus() -> int:
    """NVIDIA GPUs that the driver shows to this process; 0 where there is no driver. CUDA_VISIBLE_DEVICES counts."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
