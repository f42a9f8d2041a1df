"""Every message of the wire: one small model per type, JSON, versioned, size-limited.

What a stranger needs to write a client is in ``docs/how-to/write-a-client.md``.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from tenmin.errors import MessageRefused
from tenmin.service import strict
from tenmin.service.strict import TooBig as TooBig

VERSION: Literal[1] = 1
MAX_BYTES = 64 * 1024  # of what the engine takes, from clients and workers
# What the engine tells its clients may be longer: a result lists every gap of every stream.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_TEXT = 4096  # characters of a note or a reason

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
HostNs = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0, le=7 * 86400)]
Data = dict[str, Any]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    v: Literal[1] = VERSION


# --- client to engine -------------------------------------------------------------------------


class _Request(_Message):
    # Echoed in the reply. A repeated request with the same id is carried out once.
    id: Annotated[str, Field(min_length=8, max_length=64)] | None = None


class Hello(_Request):
    """Who is calling: the client's name and its version."""

    type: Literal["hello"] = "hello"
    client: Text = ""
    version: Text = ""


class Status(_Request):
    """Ask for the newest snapshot."""

    type: Literal["status"] = "status"


class Start(_Request):
    """Start a block; paths are absolute, `subject` and `facts` are resolved already."""

    type: Literal["start"] = "start"
    protocol: Text | None = None
    subject: Data = Field(default_factory=dict)
    facts: Data = Field(default_factory=dict)
    seconds: Annotated[float, Field(gt=0, le=7 * 86400)] | None = None
    settle_s: Seconds | None = None
    pads_s: Seconds | None = None
    extend: bool = False
    position: Literal["before_task", "between", "after_task", "standalone"] = "standalone"
    out: Text | None = None
    keep_journal: bool = False
    client: Text = ""


class ConfirmStart(_Request):
    """The operator presses start; the reason overrides soft gates that are not met."""

    type: Literal["confirm_start"] = "confirm_start"
    reason: Text = ""


class Note(_Request):
    """What the operator saw; without `onset_host_ns` it holds from the moment it arrives."""

    type: Literal["note"] = "note"
    text: Text = ""
    code: Code = "comment"
    onset_host_ns: HostNs | None = None


class Event(_Request):
    """What other software did or measured: a code of the vocabulary and a value."""

    type: Literal["event"] = "event"
    code: Code
    value: Text = ""
    onset_host_ns: HostNs | None = None
    duration_s: Seconds = 0.0
    latency: Literal["hardware", "software", "human"] = "software"
    source: Text = ""


class Abort(_Request):
    """End the block before its time (client to engine), or stop recording (engine to worker)."""

    type: Literal["abort"] = "abort"
    reason: Text = ""


class Result(_Request):
    """Ask for the result of the last block."""

    type: Literal["result"] = "result"


class Stop(_Request):
    """End the engine; refused while a block runs."""

    type: Literal["stop"] = "stop"


# --- engine to client -------------------------------------------------------------------------


class Ok(_Message):
    """The request was carried out."""

    type: Literal["ok"] = "ok"
    id: str | None = None
    data: Data = Field(default_factory=dict)


class Error(_Message):
    """The request was refused and nothing was changed; `code` is the name of the error's class."""

    type: Literal["error"] = "error"
    id: str | None = None
    message: str
    remedy: str = ""
    exit_code: int = 3
    code: str = "RigError"


class Telemetry(_Message):
    """One publication; `seq` counts those of its topic, so that a client sees what it missed."""

    type: Literal["snapshot", "event", "result"]
    seq: Annotated[int, Field(ge=0)] = 0
    data: Data


# --- engine to worker -------------------------------------------------------------------------


class Go(_Message):
    """Begin: what to do stands in the file `spool`."""

    type: Literal["go"] = "go"
    spool: Text


class Settle(_Message):
    """The settling begins: keep clock points, markers and gaps, but no raw samples yet."""

    type: Literal["settle"] = "settle"


class Record(_Message):
    """From now on keep raw samples: pad, window, pad, as the file `spool` says."""

    type: Literal["record"] = "record"
    spool: Text


class Anchor(_Message):
    """The window has begun: its first sample, for whoever counts seconds from it."""

    type: Literal["anchor"] = "anchor"
    stream: Text  # the reference
    index: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    host_ns: Annotated[int, Field(ge=0, lt=2**63)]
    seconds: Annotated[float, Field(gt=0)]  # of the window


class StopAt(_Message):
    """The window ends before this index of the reference stream."""

    type: Literal["stop_at"] = "stop_at"
    index: Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Happened(_Message):
    """What a client wrote into the block's log, for checks that need it: a test pulse, say."""

    type: Literal["happened"] = "happened"
    code: Code
    value: Text = ""
    onset_host_ns: HostNs
    duration_s: Seconds = 0.0


class Quit(_Message):
    """End the process in good order."""

    type: Literal["quit"] = "quit"


class Ping(_Message):
    """The engine lives; the link answers `pong` by itself."""

    type: Literal["ping"] = "ping"


# --- worker to engine -------------------------------------------------------------------------


class Ready(_Message):
    """The worker has started and waits for `go`."""

    type: Literal["ready"] = "ready"
    pid: int = 0
    granted: Data = Field(default_factory=dict)  # priority, memory: what the system allowed


class Progress(_Message):
    """How far the worker is: counters of every stream."""

    type: Literal["progress"] = "progress"
    data: Data = Field(default_factory=dict)


class Log(_Message):
    """A line the worker wrote into its own log."""

    type: Literal["log"] = "log"
    line: Data


class Judged(BaseModel):
    """One verdict, as of `tenmin.verdict`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    check: Text
    stream: Text
    level: Literal["OK", "WARN", "FAIL", "UNKNOWN"]
    value: float | None = None
    limit: float | None = None
    unit: Text = ""
    onset_s: float | None = None
    action: Text = ""


class Delay(BaseModel):
    """How old the pieces of the last second were when their last check was done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    n: Annotated[int, Field(ge=1)]
    p50_ms: Annotated[float, Field(ge=0)]
    p99_ms: Annotated[float, Field(ge=0)]


class Clean(BaseModel):
    """What the window has come to so far, by one stream's mask lattice."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    clean_s: Annotated[int, Field(ge=0)]  # of the seconds so far
    judged_s: Annotated[int, Field(ge=0)]
    window_clean_s: Annotated[int, Field(ge=0)]  # of the canonical window
    bad: list[Text]  # channels


class Verdicts(_Message):
    """What the checks of a worker say now about one stream, or several."""

    type: Literal["verdicts"] = "verdicts"
    verdicts: list[Judged]
    lost: dict[str, int] = Field(default_factory=dict)  # stream -> samples it came too late for
    delays: dict[str, Delay] = Field(default_factory=dict)  # of each stream that delivered
    clean: dict[str, Clean] = Field(default_factory=dict)  # of electrical streams since t0


class Arousal(_Message):
    """The live state of arousal."""

    type: Literal["arousal"] = "arousal"
    state: Text
    coarse: Text
    confidence: Annotated[float, Field(ge=0, le=1)]
    modalities: list[Text]


class Failed(_Message):
    """The worker cannot go on."""

    type: Literal["failed"] = "failed"
    message: str
    remedy: str = ""
    exit_code: int = 3
    code: str = "RigError"


class Done(_Message):
    """The worker has done what it was told."""

    type: Literal["done"] = "done"
    data: Data = Field(default_factory=dict)


class Pong(_Message):
    """The worker has read a `ping`."""

    type: Literal["pong"] = "pong"


Request = Hello | Status | Start | ConfirmStart | Note | Event | Abort | Result | Stop
Reply = Ok | Error
ToWorker = Go | Settle | Record | Anchor | StopAt | Happened | Abort | Quit | Ping
FromWorker = Ready | Progress | Log | Verdicts | Arousal | Failed | Done | Pong
Message = Request | Reply | Telemetry | ToWorker | FromWorker

# A request that is repeated because its reply was lost must not be carried out twice.
CHANGING = frozenset({"start", "confirm_start", "note", "event", "abort", "stop"})


def _types(*models: type[BaseModel]) -> dict[str, type[_Message]]:
    return {
        name: model  # type: ignore[misc]
        for model in models
        for name in get_args(model.model_fields["type"].annotation)
    }


REQUESTS = _types(*get_args(Request))
REPLIES = _types(*get_args(Reply))
TO_WORKER = _types(*get_args(ToWorker))
FROM_WORKER = _types(*get_args(FromWorker))
# `event` and `result` are names of requests too: what is allowed depends on the socket.
TELEMETRY = _types(Telemetry)

_Model = TypeVar("_Model", bound=_Message)


def make(model: type[_Model], **fields: Any) -> _Model:
    """A message from Python values; `MessageRefused` says which field is wrong."""
    try:
        return model(**fields)
    except ValidationError as error:
        kind = get_args(model.model_fields["type"].annotation)[0]
        raise MessageRefused(f"The message {kind} is wrong: {_faults(error)}.") from None


def parse(
    data: bytes, accept: dict[str, type[_Message]] = REQUESTS, max_bytes: int = MAX_BYTES
) -> Message:
    """The message in `data`.

    Parameters
    ----------
    data : bytes
        One JSON object in UTF-8.
    accept : dict
        The types allowed here: `REQUESTS`, `REPLIES`, `TELEMETRY`, `TO_WORKER`, `FROM_WORKER`.
    max_bytes : int
        Longest message allowed.

    Raises
    ------
    MessageRefused
        Too big, no JSON object, another version, an unknown type, or a wrong field: says which.
    """
    content = strict.load(data, max_bytes)
    version = content.get("v")
    if type(version) is not int or version != VERSION:
        raise MessageRefused(
            f'This is version {_short(version)} of the messages; "v": {VERSION} is spoken here.'
        )
    kind = content.get("type")
    model = accept.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise MessageRefused(
            f"The type {_short(kind)} is not known here; known are {', '.join(sorted(accept))}."
        )
    try:
        return model.model_validate(content)  # type: ignore[return-value]
    except ValidationError as error:
        raise MessageRefused(f"The message {kind} is wrong: {_faults(error)}.") from None


def dump(message: Message, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of `message`; numbers that are not finite become null.

    Raises
    ------
    TooBig
        It is longer than `max_bytes`.
    MessageRefused
        It holds something that JSON cannot.
    """
    try:
        data = message.model_dump_json(fallback=_scalar).encode()
    except (PydanticSerializationError, UnicodeEncodeError) as error:
        raise MessageRefused(f"The message {message.type} is no JSON: {error}.") from None
    if len(data) > max_bytes:
        raise TooBig(f"The message {message.type} has {len(data)} bytes; {max_bytes} are allowed.")
    return data


def _scalar(value: Any) -> Any:
    """NumPy's numbers as Python's, without knowing NumPy."""
    if getattr(value, "shape", None) == ():
        return value.item()
    raise ValueError(f"{type(value).__name__} is neither text, number, list nor object")


def request_id(data: bytes) -> str | None:
    """The id of a request that may be wrong in every other way, for the error reply."""
    try:
        found = strict.load(data, MAX_BYTES).get("id")
    except MessageRefused:
        return None
    return found if isinstance(found, str) and len(found) <= 64 else None


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "…"


def _faults(error: ValidationError) -> str:
    faults = (
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)[:5]
    )
    return "; ".join(faults)
