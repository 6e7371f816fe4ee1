"""Drives azure_functions_runtime, Microsoft's Python worker library, in this process, without gRPC.

The order is the real one: init (here the app is imported and checked), metadata, one load per
function, then invocations. The library answers with messages of `protos`.
"""

import json
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from azure_functions_runtime import handle_event

from sandbox.host import protos
from sandbox.host.protos import ParameterBinding, TypedData

TRIGGERS = {"eventgridtrigger", "queuetrigger", "timertrigger", "httptrigger"}
OUTPUTS = {"queue", "http"}

_PROPERTIES = {"host": "127.0.0.1", "protos": protos}
"""What every request to the library carries beside its message."""


class FunctionFailed(Exception):
    """The worker answered with a failure; `stack_trace` is the app's."""

    def __init__(self, message: str, stack_trace: str = "") -> None:
        super().__init__(message)
        self.stack_trace = stack_trace


class UnsupportedBindingError(Exception):
    """The app uses a trigger or binding that this host does not reproduce."""


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function with its bindings, as Azure would see them."""

    name: str
    id: str
    bindings: tuple[dict[str, Any], ...]
    trigger: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    retry: Any = None
    """RpcRetryOptions, or None."""

    @property
    def kind(self) -> str:
        """The type of the trigger, in lower case."""
        return str(self.trigger["type"]).lower()


class Worker:
    """Indexes an app and runs its functions."""

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self._app_dir = ""

    async def start(self, app_dir: Path) -> None:
        """Import and check the app; raises FunctionFailed with the library's words if it is bad."""
        self._app_dir = str(app_dir)
        sys.path.insert(0, self._app_dir)
        sys.modules.pop("function_app", None)  # another app's, in a process of tests
        runtime.start_threadpool_executor()
        init = await runtime.worker_init_request(
            _request(
                worker_init_request=protos.WorkerInitRequest(
                    host_version="4.1037.0",
                    worker_directory=self._app_dir,
                    function_app_directory=self._app_dir,
                )
            )
        )
        _check(init.result)
        answer = await runtime.functions_metadata_request(
            _request(
                functions_metadata_request=protos.FunctionsMetadataRequest(
                    function_app_directory=self._app_dir
                )
            )
        )
        _check(answer.result)
        for metadata in answer.function_metadata_results or []:
            function = await self._load(metadata)
            self.functions[function.name] = function
        if not self.functions:
            raise FunctionFailed(f"No functions found in {self._app_dir}")

    async def _load(self, metadata: Any) -> Function:
        loaded = await runtime.function_load_request(
            _request(
                function_load_request=protos.FunctionLoadRequest(
                    function_id=metadata.function_id, metadata=metadata
                )
            )
        )
        _check(loaded.result)
        bindings = tuple(json.loads(raw) for raw in metadata.raw_bindings)
        trigger = next(b for b in bindings if b["type"].lower().endswith("trigger"))
        outputs = {b["name"]: b for b in bindings if b is not trigger}
        unsupported = [b["type"] for b in outputs.values() if not _is_known_output(b)]
        if trigger["type"].lower() not in TRIGGERS:
            unsupported.insert(0, trigger["type"])
        if unsupported:
            raise UnsupportedBindingError(
                f"{metadata.name}: this local host does not know {', '.join(unsupported)}"
            )
        retry = metadata.retry_options
        return Function(
            name=metadata.name,
            id=metadata.function_id,
            bindings=bindings,
            trigger=trigger,
            outputs=outputs,
            retry=retry if retry is not None and retry.max_retry_count else None,
        )

    async def invoke(
        self,
        function: Function,
        data: TypedData,
        metadata: dict[str, TypedData],
        *,
        retry: tuple[int, int] = (0, 0),
        trace_parent: str = "",
    ) -> tuple[dict[str, TypedData], TypedData]:
        """Run a function once; returns its outputs by name and what it returned."""
        request = protos.InvocationRequest(
            invocation_id=str(uuid.uuid4()),
            function_id=function.id,
            input_data=[ParameterBinding(function.trigger["name"], data)],
            trigger_metadata=metadata,
        )
        request.trace_context.trace_parent = trace_parent
        request.retry_context.retry_count, request.retry_context.max_retry_count = retry
        response = await runtime.invocation_request(_request(invocation_request=request))
        _check(response.result)
        return {b.name: b.data for b in response.output_data}, response.return_value

    def stop(self) -> None:
        """Forget the app, so that a test can start another one in the same process."""
        runtime.stop_threadpool_executor()
        handle_event._functions._functions.clear()
        handle_event._metadata_result = None
        sys.modules.pop("function_app", None)
        if self._app_dir in sys.path:
            sys.path.remove(self._app_dir)
        self.functions.clear()


def _is_known_output(binding: dict[str, Any]) -> bool:
    return binding["direction"].upper() == "OUT" and binding["type"].lower() in OUTPUTS


def _request(**message: Any) -> SimpleNamespace:
    return SimpleNamespace(
        name=next(iter(message)),
        request=protos.StreamingMessage(**message),
        properties=_PROPERTIES,
    )


def _check(result: Any) -> None:
    if result.status != protos.StatusResult.Success:
        failure = result.exception
        raise FunctionFailed(failure.message or "failed", failure.stack_trace)
