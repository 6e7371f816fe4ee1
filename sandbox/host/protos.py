"""Stand-ins for the FunctionRpc messages that pass between the host and the worker library.

Names and numbers follow FunctionRpc.proto, reduced to the fields that the library touches. A field
or a type that is not listed here is an error, so a release of the library that starts to use a new
one fails loudly instead of losing data. The library gets this module itself as its `protos`.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar


def _message(name: str, fields: dict[str, Any], **constants: object) -> Any:
    """A message class with these fields; a default that can be called makes a fresh value."""

    def __init__(self: Any, **given: Any) -> None:  # noqa: N807
        for field, default in fields.items():
            value = given.pop(field, None)
            if value is None:
                value = default() if callable(default) else default
            setattr(self, field, value)
        if given:
            raise ValueError(f"{name} has no field {', '.join(sorted(given))}")

    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{name}({', '.join(f'{field}={getattr(self, field)!r}' for field in fields)})"

    body = {"__slots__": tuple(fields), "__init__": __init__, "__repr__": __repr__, **constants}
    return type(name, (), body)


class TypedData:
    """A value on its way to or from a function: exactly one of the typed fields, or none."""

    __slots__ = ("_value", "_which")
    _types: ClassVar[dict[str, type]] = {
        "string": str,
        "json": str,
        "bytes": bytes,
        "int": int,
        "double": float,
        "http": object,
    }

    def __init__(self, **given: Any) -> None:
        self._which: str | None = None
        self._value: Any = None
        for field, value in given.items():
            if field not in self._types:
                raise ValueError(f"TypedData has no field {field}")
            if value is None:
                continue
            if self._which is not None:
                raise ValueError("TypedData holds one field only")
            if not isinstance(value, self._types[field]):
                raise TypeError(f"TypedData.{field} cannot hold a {type(value).__name__}")
            self._which, self._value = field, value

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 (protobuf's name)
        """The name of the field that is set."""
        return self._which

    def __getattr__(self, name: str) -> Any:
        if name == self._which:
            return self._value
        raise AttributeError(f"TypedData.{name} is not set")

    def __repr__(self) -> str:
        return f"TypedData({self._which}={self._value!r})"


class ParameterBinding:
    """A value with the name of the parameter or output that it belongs to."""

    __slots__ = ("data", "name")

    def __init__(self, name: str = "", data: TypedData | None = None) -> None:
        self.name = name
        self.data = data if data is not None else TypedData()

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 (protobuf's name)
        """Always plain data: shared memory is not reproduced."""
        return "data"


class Timestamp:
    """Seconds since 1970, for the expiry of cookies."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: int = 0) -> None:
        self.seconds = seconds

    def ToDatetime(self) -> datetime:  # noqa: N802 (protobuf's name)
        """The same moment as a datetime."""
        return datetime.fromtimestamp(self.seconds, UTC)


NullableString = _message("NullableString", {"value": ""})
NullableBool = _message("NullableBool", {"value": False})
NullableDouble = _message("NullableDouble", {"value": 0.0})
NullableTimestamp = _message("NullableTimestamp", {"value": None})

RpcException = _message(
    "RpcException",
    {"source": "", "stack_trace": "", "message": "", "is_user_exception": False, "type": ""},
)
StatusResult = _message(
    "StatusResult",
    {"status": 0, "result": "", "exception": None, "logs": list},
    Failure=0,
    Success=1,
    Cancelled=2,
)
WorkerMetadata = _message(
    "WorkerMetadata",
    {
        "runtime_name": "",
        "runtime_version": "",
        "worker_version": "",
        "worker_bitness": "",
        "custom_properties": dict,
    },
)
WorkerInitRequest = _message(
    "WorkerInitRequest",
    {
        "host_version": "",
        "capabilities": dict,
        "log_categories": dict,
        "worker_directory": "",
        "function_app_directory": "",
    },
)
WorkerInitResponse = _message(
    "WorkerInitResponse",
    {"worker_version": "", "capabilities": dict, "result": None, "worker_metadata": None},
)
FunctionsMetadataRequest = _message("FunctionsMetadataRequest", {"function_app_directory": ""})
FunctionMetadataResponse = _message(
    "FunctionMetadataResponse",
    {"function_metadata_results": list, "result": None, "use_default_metadata_indexing": False},
)
RpcFunctionMetadata = _message(
    "RpcFunctionMetadata",
    {
        "name": "",
        "directory": "",
        "script_file": "",
        "entry_point": "",
        "bindings": dict,
        "is_proxy": False,
        "status": None,
        "language": "",
        "raw_bindings": list,
        "function_id": "",
        "managed_dependency_enabled": False,
        "retry_options": None,
        "properties": dict,
    },
)
RpcRetryOptions = _message(
    "RpcRetryOptions",
    {
        "max_retry_count": 0,
        "delay_interval": None,
        "minimum_interval": None,
        "maximum_interval": None,
        "retry_strategy": 0,
    },
    exponential_backoff=0,
    fixed_delay=1,
)
FunctionLoadRequest = _message(
    "FunctionLoadRequest",
    {"function_id": "", "metadata": None, "managed_dependency_enabled": False},
)
FunctionLoadResponse = _message(
    "FunctionLoadResponse",
    {"function_id": "", "result": None, "is_dependency_downloaded": False},
)
# The values of `Direction` and `DataType` share the class, as they do in protobuf.
BindingInfo = _message(
    "BindingInfo",
    {"type": "", "direction": 0, "data_type": 0, "properties": dict},
    **{"in": 0, "out": 1, "inout": 2, "undefined": 0, "string": 1, "binary": 2, "stream": 3},
)
RpcTraceContext = _message(
    "RpcTraceContext", {"trace_parent": "", "trace_state": "", "attributes": dict}
)
RetryContext = _message("RetryContext", {"retry_count": 0, "max_retry_count": 0, "exception": None})
InvocationRequest = _message(
    "InvocationRequest",
    {
        "invocation_id": "",
        "function_id": "",
        "input_data": list,
        "trigger_metadata": dict,
        "trace_context": RpcTraceContext,
        "retry_context": RetryContext,
    },
)
InvocationResponse = _message(
    "InvocationResponse",
    {"invocation_id": "", "output_data": list, "return_value": TypedData, "result": None},
)
RpcHttpCookie = _message(
    "RpcHttpCookie",
    {
        "name": "",
        "value": "",
        "domain": None,
        "path": None,
        "expires": None,
        "secure": None,
        "http_only": None,
        "same_site": 0,
        "max_age": None,
    },
    SameSite=type("SameSite", (), {"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3}),
)
RpcHttp = _message(
    "RpcHttp",
    {
        "method": "",
        "url": "",
        "headers": dict,
        "body": TypedData,
        "params": dict,
        "status_code": "",
        "query": dict,
        "enable_content_negotiation": False,
        "cookies": list,
    },
)
StreamingMessage = _message(
    "StreamingMessage",
    {
        "request_id": "",
        "worker_init_request": None,
        "functions_metadata_request": None,
        "function_load_request": None,
        "invocation_request": None,
    },
)
