"""Kinds of values that fields of the configuration have, with their ranges."""

from typing import Annotated, Literal

from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]
Seconds = Annotated[float, Meta(ge=0.01, le=86_400.0)]
Heartbeat = Annotated[float, Meta(ge=0.05, le=60.0)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Magic = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Url = Annotated[
    str,
    Meta(
        pattern=r"^(tcp://([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}|ipc://\S{1,100})\Z",
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}\Z",
    ),
]
Size = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?(KB|MB|GB)\Z")]
Timeframe = Literal["S1", "S5", "S15", "S30", "M1", "M5", "M15", "M30", "H1", "H4", "D1"]
