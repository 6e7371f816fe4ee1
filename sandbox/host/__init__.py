"""The local Functions host: runs a function_app.py in Microsoft's own worker library.

The worker half (indexing, signature checks, decoding, calling, encoding) is the library that runs
in Azure. The host half around it (webhook, queue listener, timers, routes) is ours, written after
the documented behaviour and the published sources of the real host. It was never compared with a
real host; `func start` is the next closer check.

One app per process: the worker library keeps its functions in module state.
"""

from sandbox.host.host import Host

__all__ = ["Host"]
