"""What every section of a configuration shares: the frozen base class and the constrained numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST = 2**31 - 1

Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, from 0 to 1."""

Positive = Annotated[float, Field(gt=0)]
"""A number greater than 0."""

NotNegative = Annotated[float, Field(ge=0)]
"""A number of at least 0."""

Count = Annotated[int, Field(ge=1, le=MOST)]
"""A whole number of at least 1."""

Width = Annotated[int, Field(ge=1, le=65536)]
"""The size of a layer or a vector: more is a slip of the pen, and would fill any memory."""

Bits = Annotated[int, Field(ge=8, le=65536, multiple_of=8)]
"""The length of a code."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""A seed of random numbers."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
"""The name of a run, which becomes a folder."""


class Section(BaseModel):
    """A part of the configuration: frozen, without unknown keys, infinities and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
